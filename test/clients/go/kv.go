package main

import (
	"bytes"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"
)

var kvCases = []testCase{
	{"kv: keeps bytes, flags and odd keys", func(t *T) {
		kv := t.client.KV()
		for _, pair := range []*api.KVPair{
			{Key: "odd/plain", Value: []byte("v")},
			{Key: "odd/flags", Value: []byte("v"), Flags: 1<<64 - 1},
			{Key: "odd/bytes", Value: []byte{0, 255, 10, 13}},
			{Key: "odd/empty"},
			{Key: "odd/ä ö%/?#&+=", Value: []byte("v")},
			{Key: "odd/trailing/", Value: []byte("v")},
			{Key: "odd/large", Value: bytes.Repeat([]byte("x"), 512*1024)},
		} {
			_, err := kv.Put(pair, nil)
			t.must(err, "put "+pair.Key)
			found, meta, err := kv.Get(pair.Key, nil)
			t.must(err, "get "+pair.Key)
			t.check(found != nil && bytes.Equal(found.Value, pair.Value) && found.Flags == pair.Flags, "%q came back as %v", pair.Key, found)
			t.equal(found.ModifyIndex, meta.LastIndex, "index of "+pair.Key)
		}
		_, err := kv.Put(&api.KVPair{Key: "odd/too-large", Value: make([]byte, 512*1024+1)}, nil)
		t.fails(err, "413")
		_, err = kv.Put(&api.KVPair{Key: "/leading"}, nil)
		t.fails(err, "must not begin with a '/'")
		none, _, err := kv.Get("odd/none", nil)
		t.check(err == nil && none == nil, "missing key: %v %v", none, err)
		_, err = kv.DeleteTree("odd/", nil)
		t.must(err, "delete tree")
		left, _, err := kv.List("odd/", nil)
		t.check(err == nil && len(left) == 0, "left: %v %v", left, err)
	}},
	{"kv: lists keys up to a separator", func(t *T) {
		kv := t.client.KV()
		for _, key := range []string{"sep/a", "sep/b/1", "sep/b/2", "sep/c/d/e"} {
			_, err := kv.Put(&api.KVPair{Key: key}, nil)
			t.must(err, key)
		}
		t.defers(func() { _, _ = kv.DeleteTree("sep/", nil) })
		keys, _, err := kv.Keys("sep/", "/", nil)
		t.must(err, "keys")
		t.equal(keys, []string{"sep/a", "sep/b/", "sep/c/"}, "keys")
		pairs, _, err := kv.List("sep/b", nil)
		t.must(err, "list")
		t.equal(len(pairs), 2, "pairs")
	}},
	{"kv: writes and deletes only at the expected index", func(t *T) {
		kv := t.client.KV()
		pair := &api.KVPair{Key: "cas", Value: []byte("1")}
		step := func(want bool, what string, f func() (bool, *api.WriteMeta, error)) {
			done, _, err := f()
			t.must(err, what)
			t.equal(done, want, what)
		}
		step(true, "create", func() (bool, *api.WriteMeta, error) { return kv.CAS(pair, nil) })
		step(false, "create again", func() (bool, *api.WriteMeta, error) { return kv.CAS(pair, nil) })
		found, _, err := kv.Get("cas", nil)
		t.must(err, "get")
		step(true, "update", func() (bool, *api.WriteMeta, error) {
			return kv.CAS(&api.KVPair{Key: "cas", Value: []byte("2"), ModifyIndex: found.ModifyIndex}, nil)
		})
		step(false, "delete at the old index", func() (bool, *api.WriteMeta, error) { return kv.DeleteCAS(found, nil) })
		found, _, err = kv.Get("cas", nil)
		t.must(err, "get")
		step(true, "delete", func() (bool, *api.WriteMeta, error) { return kv.DeleteCAS(found, nil) })
	}},
	{"kv: blocked reads of a key and of a prefix wake, and a deletion moves the index", func(t *T) {
		kv := t.client.KV()
		_, err := kv.Put(&api.KVPair{Key: "watch/a", Value: []byte("0")}, nil)
		t.must(err, "put")
		_, meta, err := kv.List("watch/", nil)
		t.must(err, "list")
		for step, change := range []func(){
			func() { _, _ = kv.Put(&api.KVPair{Key: "watch/b"}, nil) },
			func() { _, _ = kv.Put(&api.KVPair{Key: "watch/b", Value: []byte("1")}, nil) },
			func() { _, _ = kv.Delete("watch/b", nil) },
			func() { _, _ = kv.DeleteTree("watch/", nil) },
		} {
			woken := make(chan uint64, 1)
			go func() {
				_, next, err := t.newClient().KV().List("watch/", &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 20 * time.Second})
				if err != nil {
					woken <- 0
					return
				}
				woken <- next.LastIndex
			}()
			change()
			index := <-woken
			t.check(index > meta.LastIndex, "step %d: index %d after %d", step, index, meta.LastIndex)
			meta.LastIndex = index
		}
	}},
	{"txn: applies all verbs together or none", func(t *T) {
		txn := t.client.Txn()
		set := func(key string) *api.TxnOp {
			return &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVSet, Key: key, Value: []byte("v"), Flags: 7}}
		}
		ok, response, _, err := txn.Txn(api.TxnOps{
			{KV: &api.KVTxnOp{Verb: api.KVCheckNotExists, Key: "txn/a"}},
			set("txn/a"), set("txn/b"),
			{KV: &api.KVTxnOp{Verb: api.KVGet, Key: "txn/a"}},
			{KV: &api.KVTxnOp{Verb: api.KVGetTree, Key: "txn/"}},
			{KV: &api.KVTxnOp{Verb: api.KVDelete, Key: "txn/b"}},
			{Node: &api.NodeTxnOp{Verb: api.NodeSet, Node: api.Node{Node: "txn-n", Address: "192.0.2.20"}}},
			{Service: &api.ServiceTxnOp{Verb: api.ServiceSet, Node: "txn-n", Service: api.AgentService{ID: "txn-s", Service: "txn-s", Port: 1}}},
			{Check: &api.CheckTxnOp{Verb: api.CheckSet, Check: api.HealthCheck{Node: "txn-n", CheckID: "txn-c", Name: "c", Status: "passing", ServiceID: "txn-s"}}},
		}, nil)
		t.must(err, "txn")
		t.check(ok && len(response.Errors) == 0, "errors: %v", response.Errors)
		t.defers(func() {
			_, _ = t.client.KV().DeleteTree("txn/", nil)
			_, _ = t.client.Catalog().Deregister(&api.CatalogDeregistration{Node: "txn-n"}, nil)
		})
		t.equal(len(response.Results), 8, "results")
		t.equal(string(response.Results[2].KV.Value), "v", "value read")
		healthy, _, err := t.client.Health().Service("txn-s", "", true, nil)
		t.must(err, "health")
		t.equal(len(healthy), 1, "healthy")
		ok, response, _, err = txn.Txn(api.TxnOps{
			set("txn/c"),
			{KV: &api.KVTxnOp{Verb: api.KVCAS, Key: "txn/a", Index: 1}},
			{KV: &api.KVTxnOp{Verb: api.KVGet, Key: "txn/none"}},
		}, nil)
		t.must(err, "failing txn")
		t.check(!ok && len(response.Errors) > 0, "errors: %v", response.Errors)
		t.equal(response.Errors[0].OpIndex, 1, "op")
		t.equal(response.Errors[0].What, `failed to set key "txn/a", index is stale`, "what")
		pair, _, err := t.client.KV().Get("txn/c", nil)
		t.check(err == nil && pair == nil, "half applied: %v %v", pair, err)
		many := api.TxnOps{}
		for i := range 129 {
			many = append(many, set(fmt.Sprint("txn/many/", i)))
		}
		_, _, _, err = txn.Txn(many, nil)
		t.fails(err, "too many operations")
	}},
}
