package main

import (
	"slices"
	"time"

	"github.com/hashicorp/consul/api"
)

// register writes to the catalog for the duration of the case.
func (t *T) register(registration *api.CatalogRegistration) {
	_, err := t.client.Catalog().Register(registration, nil)
	t.must(err, "catalog register")
	t.defers(func() {
		_, _ = t.client.Catalog().Deregister(&api.CatalogDeregistration{Node: registration.Node}, nil)
	})
}

func instance(node, service string, change func(*api.CatalogRegistration)) *api.CatalogRegistration {
	registration := &api.CatalogRegistration{
		Node: node, Address: "192.0.2.10", NodeMeta: map[string]string{"rack": node},
		Service: &api.AgentService{ID: service + "-" + node, Service: service, Port: 8000, Tags: []string{"v1", node}},
		Check:   &api.AgentCheck{CheckID: "c:" + service, Name: "c", Status: api.HealthPassing, ServiceID: service + "-" + node},
	}
	if change != nil {
		change(registration)
	}
	return registration
}

var catalogCases = []testCase{
	{"catalog: knows datacenters, this node and the servers' own service", func(t *T) {
		datacenters, err := t.client.Catalog().Datacenters()
		t.must(err, "datacenters")
		t.equal(datacenters, []string{"dc1"}, "datacenters")
		nodes, meta, err := t.client.Catalog().Nodes(&api.QueryOptions{Filter: `Node == "` + t.node + `"`})
		t.must(err, "nodes")
		t.check(meta.LastIndex > 0 && meta.KnownLeader, "meta %v", meta)
		t.equal(len(nodes), 1, "nodes")
		t.equal(nodes[0].TaggedAddresses["lan"], nodes[0].Address, "lan address")
		t.check(nodes[0].Meta["consul-version"] != "", "meta of the node: %v", nodes[0].Meta)
		found, _, err := t.client.Catalog().Service("consul", "", nil)
		t.must(err, "consul")
		t.equal(len(found), 1, "servers")
		checks, _, err := t.client.Health().Node(t.node, nil)
		t.must(err, "health of the node")
		t.check(len(checks) > 0, "no serfHealth")
	}},
	{"catalog: finds instances by tags, node metadata and filter", func(t *T) {
		t.register(instance("cat-a", "cat", nil))
		t.register(instance("cat-b", "cat", func(r *api.CatalogRegistration) { r.Service.Meta = map[string]string{"env": "prod"} }))
		for _, c := range []struct {
			name    string
			tags    []string
			options *api.QueryOptions
			count   int
		}{
			{"all", nil, nil, 2},
			{"tag", []string{"cat-a"}, nil, 1},
			{"tag in other letters", []string{"V1"}, nil, 2},
			{"tags", []string{"v1", "cat-b"}, nil, 1},
			{"no such tag", []string{"v1", "v2"}, nil, 0},
			{"metadata", nil, &api.QueryOptions{NodeMeta: map[string]string{"rack": "cat-b"}}, 1},
			{"filter", nil, &api.QueryOptions{Filter: `ServiceMeta.env == "prod"`}, 1},
			{"filter with not", nil, &api.QueryOptions{Filter: `not ServiceMeta.env == "prod" and "v1" in ServiceTags`}, 1},
			{"stale", nil, &api.QueryOptions{AllowStale: true}, 2},
			{"consistent", nil, &api.QueryOptions{RequireConsistent: true}, 2},
			{"near", nil, &api.QueryOptions{Near: "_agent"}, 2},
		} {
			found, _, err := t.client.Catalog().ServiceMultipleTags("cat", c.tags, c.options)
			t.must(err, c.name)
			t.equal(len(found), c.count, c.name)
		}
		services, _, err := t.client.Catalog().Services(&api.QueryOptions{NodeMeta: map[string]string{"rack": "cat-a"}})
		t.must(err, "services")
		slices.Sort(services["cat"])
		t.equal(services, map[string][]string{"cat": {"cat-a", "v1"}}, "services")
		_, _, err = t.client.Catalog().Service("cat", "", &api.QueryOptions{Filter: "Nope =="})
		t.check(err != nil, "a broken filter was taken")
		_, _, err = t.client.Catalog().Service("cat", "", &api.QueryOptions{Datacenter: "nowhere"})
		t.fails(err, "No path to datacenter")
	}},
	{"catalog: shows a node with its services", func(t *T) {
		t.register(instance("cat-n", "catn", nil))
		node, _, err := t.client.Catalog().Node("cat-n", nil)
		t.must(err, "node")
		t.equal(node.Services["catn-cat-n"].Weights, api.AgentWeights{Passing: 1, Warning: 1}, "weights")
		list, _, err := t.client.Catalog().NodeServiceList("cat-n", nil)
		t.must(err, "list")
		t.equal([]any{list.Node.Node, len(list.Services)}, []any{"cat-n", 1}, "list")
		none, _, err := t.client.Catalog().Node("cat-none", nil)
		t.must(err, "unknown node")
		t.check(none == nil, "unknown node: %v", none)
	}},
	{"catalog: deregisters a check, a service and a node", func(t *T) {
		catalog := t.client.Catalog()
		t.register(instance("cat-d", "catd", nil))
		_, err := catalog.Deregister(&api.CatalogDeregistration{Node: "cat-d", CheckID: "c:catd"}, nil)
		t.must(err, "check")
		checks, _, err := t.client.Health().Node("cat-d", nil)
		t.must(err, "checks")
		t.equal(len(checks), 0, "checks")
		_, err = catalog.Deregister(&api.CatalogDeregistration{Node: "cat-d", ServiceID: "catd-cat-d"}, nil)
		t.must(err, "service")
		_, err = catalog.Deregister(&api.CatalogDeregistration{Node: "cat-d"}, nil)
		t.must(err, "node")
		node, _, err := catalog.Node("cat-d", nil)
		t.must(err, "read")
		t.check(node == nil, "still there: %v", node)
		_, err = catalog.Register(&api.CatalogRegistration{Node: "", Address: "192.0.2.1"}, nil)
		t.fails(err, "Must provide node")
	}},
}

var healthCases = []testCase{
	{"health: gives instances with node and checks, healthy ones on demand", func(t *T) {
		t.register(instance("hea-a", "hea", nil))
		t.register(instance("hea-b", "hea", func(r *api.CatalogRegistration) { r.Check.Status = api.HealthCritical }))
		t.register(instance("hea-c", "hea", func(r *api.CatalogRegistration) { r.Check.Status = api.HealthWarning }))
		for _, c := range []struct {
			name    string
			tags    []string
			passing bool
			options *api.QueryOptions
			count   int
		}{
			{"all", nil, false, nil, 3},
			{"passing", nil, true, nil, 1},
			{"tags", []string{"v1", "hea-b"}, false, nil, 1},
			{"filter", nil, false, &api.QueryOptions{Filter: `Checks.Status == "warning" and Node.Meta.rack matches "hea"`}, 1},
			{"metadata", nil, false, &api.QueryOptions{NodeMeta: map[string]string{"rack": "hea-a"}}, 1},
			{"cached", nil, false, &api.QueryOptions{UseCache: true, MaxAge: time.Second}, 3},
		} {
			entries, _, err := t.client.Health().ServiceMultipleTags("hea", c.tags, c.passing, c.options)
			t.must(err, c.name)
			t.equal(len(entries), c.count, c.name)
			for _, entry := range entries {
				t.check(entry.Node.Address == "192.0.2.10" && len(entry.Checks) == 1 && entry.Service.Port == 8000, "%s: %v", c.name, entry)
			}
		}
		critical, _, err := t.client.Health().State(api.HealthCritical, &api.QueryOptions{Filter: `ServiceName == "hea"`})
		t.must(err, "state")
		t.equal(len(critical), 1, "critical")
		checks, _, err := t.client.Health().Checks("hea", nil)
		t.must(err, "checks")
		t.equal(checks.AggregatedStatus(), api.HealthCritical, "aggregated")
		_, _, err = t.client.Health().State("odd", nil)
		t.check(err != nil, "state odd was taken")
	}},
	{"health: a blocked read wakes for its service and for no other", func(t *T) {
		t.register(instance("blk-a", "blk", nil))
		_, meta, err := t.client.Health().Service("blk", "", false, nil)
		t.must(err, "first read")
		t.register(instance("blk-b", "blk-other", nil))
		_, same, err := t.client.Health().Service("blk", "", false, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 300 * time.Millisecond})
		t.must(err, "quiet wait")
		t.equal(same.LastIndex, meta.LastIndex, "index after a change of another service")
		started := time.Now()
		woken := make(chan uint64, 1)
		go func() {
			_, next, err := t.newClient().Health().Service("blk", "", false, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 30 * time.Second})
			if err != nil {
				woken <- 0
				return
			}
			woken <- next.LastIndex
		}()
		t.register(instance("blk-c", "blk", nil))
		index := <-woken
		t.check(index > meta.LastIndex && time.Since(started) < 15*time.Second, "woke at %d after %v", index, time.Since(started))
	}},
	{"health: a blocked read of a service that does not exist wakes when it appears", func(t *T) {
		_, meta, err := t.client.Health().Service("later", "", true, nil)
		t.must(err, "first read")
		found := make(chan int, 1)
		go func() {
			options := &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 10 * time.Second}
			for {
				entries, next, err := t.newClient().Health().Service("later", "", true, options)
				if err != nil || len(entries) > 0 {
					found <- len(entries)
					return
				}
				options.WaitIndex = next.LastIndex
			}
		}()
		t.register(instance("later-a", "later", nil))
		t.equal(<-found, 1, "instances")
	}},
}
