package main

import (
	"bytes"
	"io"
	"time"

	"github.com/hashicorp/consul/api"
)

var operatorCases = []testCase{
	{"operator: shows the servers of Raft", func(t *T) {
		configuration, err := t.client.Operator().RaftGetConfiguration(nil)
		t.must(err, "raft configuration")
		t.equal(len(configuration.Servers), 1, "servers")
		server := configuration.Servers[0]
		t.check(server.Leader && server.Voter && server.Node == t.node, "server: %+v", server)
		t.equal(server.ProtocolVersion, "3", "protocol")
		t.check(configuration.Index > 0 && server.LastIndex > 0, "indexes: %+v", configuration)
	}},
	{"operator: refuses to remove what is no server", func(t *T) {
		t.fails(t.client.Operator().RaftRemovePeerByID("none", nil), `id "none" was not found in the Raft configuration`)
		t.fails(t.client.Operator().RaftRemovePeerByAddress("10.9.9.9:8300", nil), `address "10.9.9.9:8300" was not found in the Raft configuration`)
	}},
	{"operator: keeps autopilot's settings by check-and-set", func(t *T) {
		operator := t.client.Operator()
		config, err := operator.AutopilotGetConfiguration(nil)
		t.must(err, "get")
		t.equal(config.LastContactThreshold.Duration(), 200*time.Millisecond, "threshold")
		config.MaxTrailingLogs = 251
		done, err := operator.AutopilotCASConfiguration(config, nil)
		t.check(err == nil && done, "cas: %v %v", done, err)
		done, err = operator.AutopilotCASConfiguration(config, nil)
		t.check(err == nil && !done, "cas of an old index: %v %v", done, err)
		changed, err := operator.AutopilotGetConfiguration(nil)
		t.must(err, "get again")
		t.equal(changed.MaxTrailingLogs, uint64(251), "trailing logs")
		t.check(changed.ModifyIndex > config.ModifyIndex, "index: %d", changed.ModifyIndex)
		t.must(operator.AutopilotSetConfiguration(changed, nil), "set")
	}},
	{"operator: shows the health of the servers", func(t *T) {
		t.until("the server is healthy", func() bool {
			health, err := t.client.Operator().AutopilotServerHealth(nil)
			return err == nil && health.Healthy && len(health.Servers) == 1 && health.Servers[0].Leader
		})
		state, err := t.client.Operator().AutopilotState(nil)
		t.must(err, "state")
		t.check(state.Healthy && len(state.Voters) == 1 && state.Voters[0] == state.Leader, "state: %+v", state)
		t.equal(state.Servers[state.Leader].Status, api.AutopilotServerLeader, "status")
	}},
	{"operator: counts what is registered", func(t *T) {
		usage, meta, err := t.client.Operator().Usage(nil)
		t.must(err, "usage")
		count := usage.Usage["dc1"]
		t.check(count.Nodes >= 1 && count.Services >= 1 && count.ServiceInstances >= 1, "usage: %+v", count)
		t.check(meta.LastIndex > 0, "index: %d", meta.LastIndex)
	}},
}

// These replace everything, so nothing else may run beside them.
var snapshotCases = []testCase{
	{"snapshot: is saved and restored", func(t *T) {
		kv := t.client.KV()
		_, err := kv.Put(&api.KVPair{Key: "snapshot/a", Value: []byte("before")}, nil)
		t.must(err, "put")
		reader, meta, err := t.client.Snapshot().Save(nil)
		t.must(err, "save")
		archive, err := io.ReadAll(reader)
		t.must(err, "read")
		t.must(reader.Close(), "close")
		t.check(meta.LastIndex > 0 && meta.KnownLeader, "meta: %+v", meta)
		_, err = kv.Put(&api.KVPair{Key: "snapshot/a", Value: []byte("after")}, nil)
		t.must(err, "put again")
		t.must(t.client.Snapshot().Restore(nil, bytes.NewReader(archive)), "restore")
		found, after, err := kv.Get("snapshot/a", nil)
		t.check(err == nil && found != nil && string(found.Value) == "before", "restored: %v %v", found, err)
		t.check(after.LastIndex > meta.LastIndex, "index: %d after %d", after.LastIndex, meta.LastIndex)
		t.fails(t.client.Snapshot().Restore(nil, bytes.NewReader(archive[:len(archive)-9])), "failed to read snapshot file")
	}},
}
