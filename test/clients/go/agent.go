package main

import (
	"time"

	"github.com/hashicorp/consul/api"
)

var agentCases = []testCase{
	{"agent: tells about itself, its members and its version", func(t *T) {
		self, err := t.client.Agent().Self()
		t.must(err, "self")
		t.equal(self["Config"]["NodeName"], t.node, "NodeName")
		t.equal(self["Config"]["Datacenter"], "dc1", "Datacenter")
		for _, part := range []string{"DebugConfig", "Member", "Stats", "Meta"} {
			t.check(self[part] != nil, "self has no %s", part)
		}
		members, err := t.client.Agent().Members(false)
		t.must(err, "members")
		t.equal(len(members), 1, "members")
		t.equal(members[0].Tags["role"], "consul", "role")
		t.equal(members[0].Status, 1, "status")
		version, err := t.client.Agent().Version()
		t.must(err, "version")
		t.check(version["HumanVersion"] != nil, "no HumanVersion in %v", version)
		host, err := t.client.Agent().Host()
		t.must(err, "host")
		t.check(host["CollectionTime"] != nil, "no CollectionTime in %v", host)
	}},
	{"agent: names the leader and the peers", func(t *T) {
		leader, err := t.client.Status().Leader()
		t.must(err, "leader")
		peers, err := t.client.Status().Peers()
		t.must(err, "peers")
		t.equal(peers, []string{leader}, "peers")
		_, err = t.client.Status().LeaderWithQueryOptions(&api.QueryOptions{Datacenter: "nowhere"})
		t.fails(err, "No path to datacenter")
	}},
	{"agent: registers a service with every field and gives it back", func(t *T) {
		t.service(&api.AgentServiceRegistration{
			ID: "full-1", Name: "full", Tags: []string{"a", "b"}, Port: 8000, Address: "192.0.2.1",
			TaggedAddresses:   map[string]api.ServiceAddress{"lan": {Address: "192.0.2.2", Port: 80}},
			Meta:              map[string]string{"k": "v"},
			Weights:           &api.AgentWeights{Passing: 5, Warning: 2},
			EnableTagOverride: true,
			Locality:          &api.Locality{Region: "r", Zone: "z"},
			Checks:            api.AgentServiceChecks{{TTL: "15s", Notes: "n"}, {CheckID: "full-2nd", TTL: "20s", Status: "passing"}},
		})
		services, err := t.client.Agent().ServicesWithFilter(`Meta.k == "v" and Service == "full"`)
		t.must(err, "services")
		found := services["full-1"]
		t.check(found != nil && len(services) == 1, "filter found %v", services)
		t.equal(found.Tags, []string{"a", "b"}, "Tags")
		t.equal(found.TaggedAddresses["lan"], api.ServiceAddress{Address: "192.0.2.2", Port: 80}, "TaggedAddresses")
		t.equal(found.Weights, api.AgentWeights{Passing: 5, Warning: 2}, "Weights")
		t.equal(found.Locality, &api.Locality{Region: "r", Zone: "z"}, "Locality")
		t.equal(found.Datacenter, "dc1", "Datacenter")
		checks, err := t.client.Agent().ChecksWithFilter(`ServiceID == "full-1"`)
		t.must(err, "checks")
		t.equal(len(checks), 2, "checks")
		t.check(checks["service:full-1:1"] != nil && checks["full-2nd"] != nil, "check ids of %v", checks)
		t.equal(checks["service:full-1:1"].Status, "critical", "first status")
		t.equal(checks["full-2nd"].Status, "passing", "given status")
		t.equal(checks["full-2nd"].Type, "ttl", "type")
	}},
	{"agent: waits for a change of one service by its hash", func(t *T) {
		registration := &api.AgentServiceRegistration{Name: "hashed", Port: 1}
		t.service(registration)
		first, meta, err := t.client.Agent().Service("hashed", nil)
		t.must(err, "service")
		t.equal(first.ContentHash, meta.LastContentHash, "hash")
		changed := make(chan *api.AgentService, 1)
		go func() {
			next, _, _ := t.client.Agent().Service("hashed", &api.QueryOptions{WaitHash: meta.LastContentHash, WaitTime: 20 * time.Second})
			changed <- next
		}()
		registration.Port = 2
		t.must(t.client.Agent().ServiceRegister(registration), "register again")
		select {
		case next := <-changed:
			t.check(next != nil && next.Port == 2, "woke with %v", next)
		case <-time.After(10 * time.Second):
			t.fail("the blocked read did not wake")
		}
		_, _, err = t.client.Agent().Service("nothing", nil)
		t.fails(err, "unknown service ID")
	}},
	{"agent: takes reports of TTL checks and tells the health of a service", func(t *T) {
		agent := t.client.Agent()
		t.service(&api.AgentServiceRegistration{Name: "ttl", Check: &api.AgentServiceCheck{TTL: "30s"}})
		for _, step := range []struct{ status, aggregated string }{
			{"pass", "passing"}, {"warn", "warning"}, {"fail", "critical"}, {"pass", "passing"},
		} {
			t.must(agent.UpdateTTL("service:ttl", "note "+step.status, step.status), step.status)
			status, info, err := agent.AgentHealthServiceByID("ttl")
			t.must(err, "health by id")
			t.equal(status, step.aggregated, "aggregated")
			t.equal(info.Checks[0].Output, "note "+step.status, "output")
			status, infos, err := agent.AgentHealthServiceByName("ttl")
			t.must(err, "health by name")
			t.equal([]any{status, len(infos)}, []any{step.aggregated, 1}, "by name")
		}
		status, info, err := agent.AgentHealthServiceByID("nothing")
		t.must(err, "health of nothing")
		t.check(status == "critical" && info == nil, "health of nothing: %s %v", status, info)
		t.fails(agent.UpdateTTL("service:nothing", "", "pass"), "Unknown check ID")
	}},
	{"agent: replaces the checks of a service only when asked to", func(t *T) {
		agent := t.client.Agent()
		t.service(&api.AgentServiceRegistration{Name: "swap", Checks: api.AgentServiceChecks{{CheckID: "swap-a", TTL: "9s"}, {CheckID: "swap-b", TTL: "9s"}}})
		only := &api.AgentServiceRegistration{Name: "swap", Check: &api.AgentServiceCheck{CheckID: "swap-b", TTL: "9s"}}
		for _, replace := range []bool{false, true} {
			t.must(agent.ServiceRegisterOpts(only, api.ServiceRegisterOpts{ReplaceExistingChecks: replace}), "register")
			checks, err := agent.ChecksWithFilter(`ServiceID == "swap"`)
			t.must(err, "checks")
			t.equal(checks["swap-a"] == nil, replace, "the old check is gone")
		}
	}},
	{"agent: registers checks of the node and of services, and deregisters them", func(t *T) {
		agent := t.client.Agent()
		t.service(&api.AgentServiceRegistration{Name: "checked"})
		check := &api.AgentCheckRegistration{ID: "chk", Name: "Chk", ServiceID: "checked", AgentServiceCheck: api.AgentServiceCheck{TTL: "15s", Status: "warning"}}
		t.must(agent.CheckRegister(check), "register")
		found, _, err := t.client.Health().Checks("checked", nil)
		t.must(err, "health")
		t.equal(len(found), 1, "checks in the catalog")
		t.equal([]string{found[0].CheckID, found[0].Status, found[0].ServiceID}, []string{"chk", "warning", "checked"}, "check")
		t.must(agent.CheckDeregister("chk"), "deregister")
		t.fails(agent.CheckDeregister("chk"), "Unknown check ID")
		t.fails(agent.CheckRegister(&api.AgentCheckRegistration{Name: "x", ServiceID: "absent", AgentServiceCheck: api.AgentServiceCheck{TTL: "1s"}}), `ServiceID "absent" does not exist`)
		t.fails(agent.CheckRegister(&api.AgentCheckRegistration{Name: "x"}), "TTL must be > 0")
		t.fails(agent.CheckRegister(&api.AgentCheckRegistration{Name: "x", AgentServiceCheck: api.AgentServiceCheck{Args: []string{"true"}, Interval: "10s"}}), "Scripts are disabled")
	}},
	{"agent: runs HTTP and TCP checks", func(t *T) {
		t.service(&api.AgentServiceRegistration{Name: "probed", Checks: api.AgentServiceChecks{
			{HTTP: "http://" + t.address + "/v1/status/leader", Interval: "1s", Timeout: "1s"},
			{TCP: t.address, Interval: "1s", Timeout: "1s"},
		}})
		t.until("both checks pass", func() bool {
			entries, _, err := t.client.Health().Service("probed", "", true, nil)
			return err == nil && len(entries) == 1
		})
	}},
	{"agent: puts a service into maintenance", func(t *T) {
		agent := t.client.Agent()
		t.service(&api.AgentServiceRegistration{Name: "paused", Check: &api.AgentServiceCheck{TTL: "60s", Status: "passing"}})
		t.must(agent.EnableServiceMaintenance("paused", "because"), "enable")
		checks, err := agent.Checks()
		t.must(err, "checks")
		check := checks["_service_maintenance:paused"]
		t.check(check != nil && check.Status == "critical" && check.Notes == "because", "check %v", check)
		_, info, err := agent.AgentHealthServiceByID("paused")
		t.must(err, "health")
		t.equal(info.AggregatedStatus, api.HealthMaint, "status")
		t.must(agent.DisableServiceMaintenance("paused"), "disable")
		entries, _, err := t.client.Health().Service("paused", "", true, nil)
		t.must(err, "service")
		t.equal(len(entries), 1, "healthy again")
		t.fails(agent.EnableServiceMaintenance("absent", ""), "Unknown service ID")
	}},
	{"agent: registers a sidecar with its service and removes it with it", func(t *T) {
		agent := t.client.Agent()
		t.service(&api.AgentServiceRegistration{Name: "car", Port: 8000, Connect: &api.AgentServiceConnect{SidecarService: &api.AgentServiceRegistration{
			Proxy: &api.AgentServiceConnectProxyConfig{Upstreams: []api.Upstream{{DestinationName: "db", LocalBindPort: 29191}}},
		}}})
		sidecar, _, err := agent.Service("car-sidecar-proxy", nil)
		t.must(err, "sidecar")
		t.equal(sidecar.Kind, api.ServiceKindConnectProxy, "kind")
		t.equal(sidecar.Proxy.DestinationServiceName, "car", "destination")
		t.equal(sidecar.Proxy.LocalServicePort, 8000, "local port")
		t.equal(sidecar.Proxy.Upstreams[0].DestinationType, api.UpstreamDestTypeService, "upstream type")
		t.check(sidecar.Port >= 21000 && sidecar.Port <= 21255, "port %d", sidecar.Port)
		found, _, err := t.client.Catalog().Connect("car", "", nil)
		t.must(err, "catalog connect")
		t.equal(len(found), 1, "mesh endpoints")
		t.must(agent.ServiceDeregister("car"), "deregister")
		_, _, err = agent.Service("car-sidecar-proxy", nil)
		t.fails(err, "unknown service ID")
		t.fails(agent.ServiceDeregister("car"), "Unknown service ID")
	}},
	{"agent: refuses a registration that makes no sense", func(t *T) {
		agent := t.client.Agent()
		for text, bad := range map[string]*api.AgentServiceRegistration{
			"Missing service name":        {ID: "x"},
			"Invalid service address":     {Name: "x", Address: "0.0.0.0"},
			"Invalid Weights":             {Name: "x", Weights: &api.AgentWeights{Passing: 0}},
			"Invalid Service Meta":        {Name: "x", Meta: map[string]string{"b@d": ""}},
			"Status for checks must":      {Name: "x", Check: &api.AgentServiceCheck{TTL: "1s", Status: "odd"}},
			"DestinationServiceName must": {Name: "x", Kind: api.ServiceKindConnectProxy, Port: 1, Proxy: &api.AgentServiceConnectProxyConfig{}},
		} {
			t.fails(agent.ServiceRegister(bad), text)
		}
	}},
}

// Cases that change every service of the node.
var wholeNodeCases = []testCase{
	{"node: maintenance hides its services, and ends", func(t *T) {
		agent := t.client.Agent()
		t.service(&api.AgentServiceRegistration{Name: "hidden"})
		count := func() int {
			entries, _, err := t.client.Health().Service("hidden", "", true, nil)
			t.must(err, "health")
			return len(entries)
		}
		t.equal(count(), 1, "before")
		t.must(agent.EnableNodeMaintenance("r"), "enable")
		t.defers(func() { _ = agent.DisableNodeMaintenance() })
		t.equal(count(), 0, "during")
		t.must(agent.DisableNodeMaintenance(), "disable")
		t.equal(count(), 1, "after")
	}},
	{"node: changes times of the certificate authority, keeping its root", func(t *T) {
		connect := t.client.Connect()
		before, _, err := connect.CAGetConfig(nil)
		t.must(err, "get")
		t.equal(before.Provider, "consul", "provider")
		parsed, err := api.ParseConsulCAConfig(before.Config)
		t.must(err, "parse")
		t.equal(parsed.LeafCertTTL, 72*time.Hour, "leaf TTL")
		change := func(ttl any) time.Duration {
			before.Config["LeafCertTTL"] = ttl
			_, err := connect.CASetConfig(before, nil)
			t.must(err, "set")
			after, _, err := connect.CAGetConfig(nil)
			t.must(err, "get again")
			parsed, err := api.ParseConsulCAConfig(after.Config)
			t.must(err, "parse again")
			return parsed.LeafCertTTL
		}
		t.equal(change(24*time.Hour), 24*time.Hour, "changed")
		t.equal(change("72h"), 72*time.Hour, "changed back")
	}},
	{"node: reloads its configuration", func(t *T) {
		t.must(t.client.Agent().Reload(), "reload")
	}},
}
