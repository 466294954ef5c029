package main

import (
	"bufio"
	"context"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

var queryCases = []testCase{
	{"query: is created, read, listed, executed, changed and deleted", func(t *T) {
		query := t.client.PreparedQuery()
		t.service(&api.AgentServiceRegistration{ID: "q-1", Name: "queried", Tags: []string{"a"}, Port: 1})
		t.service(&api.AgentServiceRegistration{ID: "q-2", Name: "queried", Tags: []string{"a", "b"}, Port: 2})
		definition := &api.PreparedQueryDefinition{
			Name:    "by-go",
			Service: api.ServiceQuery{Service: "queried", Tags: []string{"a", "!b"}, OnlyPassing: true, Near: "_agent"},
			DNS:     api.QueryDNSOptions{TTL: "15s"},
		}
		id, _, err := query.Create(definition, nil)
		t.must(err, "create")
		t.defers(func() { _, _ = query.Delete(id, nil) })
		found, _, err := query.Get(id, nil)
		t.must(err, "get")
		t.equal(len(found), 1, "found")
		definition.ID = id
		// The server fills in what the client left out.
		t.equal([]any{found[0].Name, found[0].Service.Tags, found[0].DNS.TTL}, []any{definition.Name, definition.Service.Tags, "15s"}, "query")
		all, _, err := query.List(nil)
		t.must(err, "list")
		t.check(len(all) >= 1, "list %v", all)
		for _, name := range []string{id, "by-go"} {
			answer, _, err := query.Execute(name, nil)
			t.must(err, "execute")
			t.equal(len(answer.Nodes), 1, "nodes")
			t.equal(answer.Nodes[0].Service.ID, "q-1", "instance")
			t.equal([]any{answer.Service, answer.DNS.TTL, answer.Datacenter, answer.Failovers}, []any{"queried", "15s", "dc1", 0}, "answer")
		}
		_, _, err = query.Create(&api.PreparedQueryDefinition{Name: "by-go", Service: api.ServiceQuery{Service: "x"}}, nil)
		t.check(err != nil, "a second query of the name")
		definition.Service.Tags = []string{"b"}
		_, err = query.Update(definition, nil)
		t.must(err, "update")
		answer, _, err := query.Execute("by-go", nil)
		t.must(err, "execute again")
		t.equal(answer.Nodes[0].Service.ID, "q-2", "instance of the changed query")
		_, err = query.Delete(id, nil)
		t.must(err, "delete")
		_, _, err = query.Execute("by-go", nil)
		t.fails(err, "Query not found")
	}},
	{"query: goes with its session, and a template serves every name", func(t *T) {
		query := t.client.PreparedQuery()
		session, _, err := t.client.Session().CreateNoChecks(&api.SessionEntry{TTL: "30s"}, nil)
		t.must(err, "session")
		id, _, err := query.Create(&api.PreparedQueryDefinition{Session: session, Service: api.ServiceQuery{Service: "consul"}}, nil)
		t.must(err, "create")
		_, err = t.client.Session().Destroy(session, nil)
		t.must(err, "destroy")
		t.until("the query is gone", func() bool {
			_, _, err := query.Get(id, nil)
			return err != nil && strings.Contains(err.Error(), "404")
		})
		t.service(&api.AgentServiceRegistration{Name: "tpl-served"})
		id, _, err = query.Create(&api.PreparedQueryDefinition{
			Name:     "go-tpl-",
			Template: api.QueryTemplate{Type: "name_prefix_match", Regexp: "^go-tpl-(.+)$"},
			Service:  api.ServiceQuery{Service: "tpl-${match(1)}"},
		}, nil)
		t.must(err, "create a template")
		t.defers(func() { _, _ = query.Delete(id, nil) })
		answer, _, err := query.Execute("go-tpl-served", nil)
		t.must(err, "execute")
		t.equal(len(answer.Nodes), 1, "nodes")
	}},
	{"chain: is compiled, and overridden on demand", func(t *T) {
		entry := &api.ServiceConfigEntry{Kind: api.ServiceDefaults, Name: "chained", Protocol: "http"}
		_, _, err := t.client.ConfigEntries().Set(entry, nil)
		t.must(err, "set")
		t.defers(func() { _, _ = t.client.ConfigEntries().Delete(api.ServiceDefaults, "chained", nil) })
		answer, _, err := t.client.DiscoveryChain().Get("chained", nil, nil)
		t.must(err, "get")
		t.equal(answer.Chain.Protocol, "http", "protocol")
		t.check(answer.Chain.Nodes[answer.Chain.StartNode] != nil, "no start node in %v", answer.Chain)
		answer, _, err = t.client.DiscoveryChain().Get("chained", &api.DiscoveryChainOptions{OverrideProtocol: "grpc", OverrideConnectTimeout: 9 * time.Second}, nil)
		t.must(err, "override")
		t.equal(answer.Chain.Protocol, "grpc", "overridden protocol")
	}},
	{"event: is fired and listed, and wakes who waits", func(t *T) {
		id, _, err := t.client.Event().Fire(&api.UserEvent{Name: "go-event", Payload: []byte("p")}, nil)
		t.must(err, "fire")
		t.until("it is listed", func() bool {
			events, meta, err := t.client.Event().List("go-event", nil)
			return err == nil && len(events) == 1 && events[0].ID == id && string(events[0].Payload) == "p" && meta.LastIndex == t.client.Event().IDToIndex(id)
		})
	}},
	{"coordinate: datacenters and nodes are listed", func(t *T) {
		areas, err := t.client.Coordinate().Datacenters()
		t.must(err, "datacenters")
		t.equal(areas[0].Datacenter, "dc1", "datacenter")
		_, _, err = t.client.Coordinate().Nodes(nil)
		t.must(err, "nodes")
	}},
	{"agent: tells metrics, and streams its log", func(t *T) {
		metrics, err := t.client.Agent().Metrics()
		t.must(err, "metrics")
		t.check(metrics.Timestamp != "" && len(metrics.Gauges)+len(metrics.Counters)+len(metrics.Samples) > 0, "metrics %v", metrics)
		stop := make(chan struct{})
		defer close(stop)
		lines, err := t.client.Agent().Monitor("debug", stop, nil)
		t.must(err, "monitor")
		t.service(&api.AgentServiceRegistration{Name: "monitored"})
		select {
		case line := <-lines:
			t.check(line != "", "an empty line")
		case <-time.After(20 * time.Second):
			t.fail("no line of the log")
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		stream, err := t.client.Agent().MetricsStream(ctx)
		t.must(err, "metrics stream")
		defer stream.Close()
		line, err := bufio.NewReader(stream).ReadString('\n')
		t.must(err, "metrics line")
		t.check(strings.HasPrefix(line, "{"), "line %q", line)
	}},
}
