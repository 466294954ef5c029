package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/api/watch"
)

func parsePEM(t *T, text string) *x509.Certificate {
	block, _ := pem.Decode([]byte(text))
	t.check(block != nil, "no PEM: %q", text)
	certificate, err := x509.ParseCertificate(block.Bytes)
	t.must(err, "certificate")
	return certificate
}

var meshCases = []testCase{
	{"mesh: leaves verify against the roots and carry the identity; Go's TLS takes them", func(t *T) {
		roots, meta, err := t.client.Agent().ConnectCARoots(nil)
		t.must(err, "roots")
		t.check(meta.LastIndex > 0 && roots.TrustDomain != "" && len(roots.Roots) == 1, "roots %v", roots)
		t.equal(roots.Roots[0].ID, roots.ActiveRootID, "active root")
		central, _, err := t.client.Connect().CARoots(nil)
		t.must(err, "roots of the servers")
		t.equal(central.ActiveRootID, roots.ActiveRootID, "both")
		pool := x509.NewCertPool()
		t.check(pool.AppendCertsFromPEM([]byte(roots.Roots[0].RootCertPEM)), "root PEM")
		leaf, _, err := t.client.Agent().ConnectCALeaf("mesh-web", nil)
		t.must(err, "leaf")
		certificate := parsePEM(t, leaf.CertPEM)
		t.equal(certificate.URIs[0].String(), leaf.ServiceURI, "URI")
		t.equal(leaf.ServiceURI, "spiffe://"+roots.TrustDomain+"/ns/default/dc/dc1/svc/mesh-web", "identity")
		_, err = certificate.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}})
		t.must(err, "verify")
		again, _, err := t.client.Agent().ConnectCALeaf("mesh-web", nil)
		t.must(err, "leaf again")
		t.equal(again.SerialNumber, leaf.SerialNumber, "the same leaf is kept")
		pair, err := tls.X509KeyPair([]byte(leaf.CertPEM), []byte(leaf.PrivateKeyPEM))
		t.must(err, "key pair")
		here, there := net.Pipe()
		config := &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, RootCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, InsecureSkipVerify: true}
		served := make(chan error, 1)
		go func() { served <- tls.Server(there, config).Handshake() }()
		t.must(tls.Client(here, config).Handshake(), "client handshake")
		t.must(<-served, "server handshake")
	}},
	{"mesh: intentions decide what authorize says", func(t *T) {
		connect := t.client.Connect()
		leaf, _, err := t.client.Agent().ConnectCALeaf("int-web", nil)
		t.must(err, "leaf")
		authorized := func() bool {
			answer, err := t.client.Agent().ConnectAuthorize(&api.AgentAuthorizeParams{Target: "int-db", ClientCertURI: leaf.ServiceURI, ClientCertSerial: leaf.SerialNumber})
			t.must(err, "authorize")
			return answer.Authorized
		}
		t.check(authorized(), "not allowed by default")
		t.defers(func() { _, _ = connect.IntentionDeleteExact("int-web", "int-db", nil) })
		for _, action := range []api.IntentionAction{api.IntentionActionDeny, api.IntentionActionAllow} {
			_, err = connect.IntentionUpsert(&api.Intention{SourceName: "int-web", DestinationName: "int-db", Action: action, Description: "d"}, nil)
			t.must(err, "upsert")
			want := action == api.IntentionActionAllow
			t.until("authorize agrees", func() bool { return authorized() == want })
			allowed, _, err := connect.IntentionCheck(&api.IntentionCheck{Source: "int-web", Destination: "int-db"}, nil)
			t.must(err, "check")
			t.equal(allowed, want, "check")
		}
		found, _, err := connect.IntentionGetExact("int-web", "int-db", nil)
		t.must(err, "get")
		t.equal([]any{found.Precedence, found.Description, found.SourceNS}, []any{9, "d", "default"}, "intention")
		matches, _, err := connect.IntentionMatch(&api.IntentionMatch{By: api.IntentionMatchDestination, Names: []string{"int-db", "int-none"}}, nil)
		t.must(err, "match")
		t.equal([]int{len(matches["int-db"]), len(matches["int-none"])}, []int{1, 0}, "matches")
		list, _, err := connect.Intentions(&api.QueryOptions{Filter: `SourceName == "int-web"`})
		t.must(err, "list")
		t.equal(len(list), 1, "list")
		_, err = connect.IntentionDeleteExact("int-web", "int-db", nil)
		t.must(err, "delete")
		found, _, err = connect.IntentionGetExact("int-web", "int-db", nil)
		t.check(err == nil && found == nil, "deleted: %v %v", found, err)
		_, err = t.client.Agent().ConnectAuthorize(&api.AgentAuthorizeParams{Target: "int-db", ClientCertURI: "nope"})
		t.fails(err, "ClientCertURI")
	}},
	{"mesh: service-intentions entries are another form of intentions", func(t *T) {
		entries := t.client.ConfigEntries()
		entry := &api.ServiceIntentionsConfigEntry{Kind: api.ServiceIntentions, Name: "ent-db", Meta: map[string]string{"a": "b"}, Sources: []*api.SourceIntention{
			{Name: "ent-web", Action: api.IntentionActionAllow},
			{Name: "ent-api", Permissions: []*api.IntentionPermission{{Action: api.IntentionActionDeny, HTTP: &api.IntentionHTTPPermission{PathPrefix: "/admin"}}}},
		}}
		written, _, err := entries.Set(entry, nil)
		t.check(err == nil && written, "set: %v", err)
		t.defers(func() { _, _ = entries.Delete(api.ServiceIntentions, "ent-db", nil) })
		found, _, err := t.client.Connect().IntentionGetExact("ent-web", "ent-db", nil)
		t.check(err == nil && found != nil && found.Action == api.IntentionActionAllow, "intention: %v %v", found, err)
		read, _, err := entries.Get(api.ServiceIntentions, "ent-db", nil)
		t.must(err, "get")
		sources := read.(*api.ServiceIntentionsConfigEntry).Sources
		t.equal(len(sources), 2, "sources")
		entry.Sources = entry.Sources[:1]
		written, _, err = entries.CAS(entry, read.GetModifyIndex()+1, nil)
		t.check(err == nil && !written, "cas at another index: %v", err)
		written, _, err = entries.CAS(entry, read.GetModifyIndex(), nil)
		t.check(err == nil && written, "cas: %v", err)
	}},
	{"config: entries are written, listed, compared and deleted", func(t *T) {
		entries := t.client.ConfigEntries()
		for _, entry := range []api.ConfigEntry{
			&api.ServiceConfigEntry{Kind: api.ServiceDefaults, Name: "conf", Protocol: "http", Meta: map[string]string{"k": "v"}},
			&api.ServiceResolverConfigEntry{Kind: api.ServiceResolver, Name: "conf", ConnectTimeout: 5 * time.Second, Subsets: map[string]api.ServiceResolverSubset{"v1": {Filter: "Service.Meta.v == 1"}}},
			&api.ServiceSplitterConfigEntry{Kind: api.ServiceSplitter, Name: "conf", Splits: []api.ServiceSplit{{Weight: 100}}},
			&api.ServiceRouterConfigEntry{Kind: api.ServiceRouter, Name: "conf", Routes: []api.ServiceRoute{{Match: &api.ServiceRouteMatch{HTTP: &api.ServiceRouteHTTPMatch{PathPrefix: "/a"}}}}},
		} {
			written, _, err := entries.Set(entry, nil)
			t.check(err == nil && written, "set %s: %v", entry.GetKind(), err)
			t.defers(func() { _, _ = entries.Delete(entry.GetKind(), "conf", nil) })
			read, _, err := entries.Get(entry.GetKind(), "conf", nil)
			t.must(err, "get "+entry.GetKind())
			t.equal(read.GetName(), "conf", "name")
			written, _, err = entries.CAS(entry, 1, nil)
			t.check(err == nil && !written, "cas of %s at another index: %v", entry.GetKind(), err)
			list, _, err := entries.List(entry.GetKind(), nil)
			t.check(err == nil && len(list) >= 1, "list %s: %v", entry.GetKind(), err)
		}
		read, _, err := entries.Get(api.ServiceResolver, "conf", nil)
		t.must(err, "get")
		t.equal(read.(*api.ServiceResolverConfigEntry).ConnectTimeout, 5*time.Second, "timeout")
		_, _, err = entries.Get(api.ServiceDefaults, "none", nil)
		t.fails(err, "404")
		_, err = entries.Delete(api.ServiceDefaults, "none", nil)
		t.must(err, "delete of nothing")
	}},
	{"watch: plans run for keys and services", func(t *T) {
		for _, parameters := range []map[string]any{
			{"type": "key", "key": "plan/key"},
			{"type": "keyprefix", "prefix": "plan/"},
			{"type": "services"},
			{"type": "service", "service": "plan"},
			{"type": "checks", "service": "plan"},
			{"type": "nodes"},
		} {
			kind := parameters["type"].(string)
			plan, err := watch.Parse(parameters)
			t.must(err, "parse")
			called := make(chan uint64, 64)
			plan.Handler = func(index uint64, _ any) {
				select {
				case called <- index:
				default:
				}
			}
			go func() { _ = plan.RunWithClientAndHclog(t.newClient(), nil) }()
			change := func(value string) {
				_, _ = t.client.KV().Put(&api.KVPair{Key: "plan/key", Value: []byte(value)}, nil)
				t.register(instance("plan-a", "plan", func(r *api.CatalogRegistration) {
					r.NodeMeta["v"], r.Check.Output, r.Service.Tags = value, value, []string{value}
				}))
			}
			change("1")
			first := <-called
			change(kind)
			t.until("a later call of "+kind, func() bool {
				select {
				case index := <-called:
					return index > first
				default:
					return false
				}
			})
			plan.Stop()
		}
		_, _ = t.client.KV().DeleteTree("plan/", nil)
	}},
}
