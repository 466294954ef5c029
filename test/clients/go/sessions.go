package main

import (
	"time"

	"github.com/hashicorp/consul/api"
)

// holding takes a lock with a new session and gives that back.
func (t *T) holding(key string, entry *api.SessionEntry) string {
	id, _, err := t.client.Session().Create(entry, nil)
	t.must(err, "create session")
	t.defers(func() { _, _ = t.client.Session().Destroy(id, nil) })
	got, _, err := t.client.KV().Acquire(&api.KVPair{Key: key, Session: id}, nil)
	t.must(err, "acquire")
	t.check(got, "%s was not acquired", key)
	return id
}

var sessionCases = []testCase{
	{"session: is created, listed, renewed and destroyed", func(t *T) {
		session := t.client.Session()
		id, _, err := session.Create(&api.SessionEntry{Name: "mine", TTL: "30s", Behavior: api.SessionBehaviorDelete, LockDelay: time.Second}, nil)
		t.must(err, "create")
		info, _, err := session.Info(id, nil)
		t.must(err, "info")
		t.equal([]any{info.Name, info.Node, info.TTL, info.Behavior, info.LockDelay}, []any{"mine", t.node, "30s", "delete", time.Second}, "info")
		renewed, _, err := session.Renew(id, nil)
		t.must(err, "renew")
		t.equal(renewed.ID, id, "renewed")
		listed := func() bool {
			lists := 0
			all, _, err := session.List(nil)
			t.must(err, "list")
			mine, _, err := session.Node(t.node, nil)
			t.must(err, "node")
			for _, entry := range append(all, mine...) {
				if entry.ID == id {
					lists++
				}
			}
			return lists == 2
		}
		t.check(listed(), "not listed")
		_, err = session.Destroy(id, nil)
		t.must(err, "destroy")
		gone, _, err := session.Renew(id, nil)
		t.check(err == nil && gone == nil, "renewed a destroyed session: %v %v", gone, err)
		info, _, err = session.Info(id, nil)
		t.check(err == nil && info == nil, "info of a destroyed session: %v %v", info, err)
		_, _, err = session.Create(&api.SessionEntry{TTL: "1s"}, nil)
		t.fails(err, "must be between")
		_, _, err = session.Create(&api.SessionEntry{Behavior: "odd"}, nil)
		t.fails(err, "Invalid Behavior setting")
	}},
	{"session: one holder at a time; a release lets the next one in at once", func(t *T) {
		kv := t.client.KV()
		first := t.holding("hold", &api.SessionEntry{})
		second, _, err := t.client.Session().CreateNoChecks(nil, nil)
		t.must(err, "second")
		t.defers(func() { _, _ = t.client.Session().Destroy(second, nil); _, _ = kv.Delete("hold", nil) })
		acquire := func(session string) bool {
			got, _, err := kv.Acquire(&api.KVPair{Key: "hold", Session: session, Value: []byte(session)}, nil)
			t.must(err, "acquire")
			return got
		}
		t.check(!acquire(second), "two holders")
		t.check(acquire(first), "the holder may acquire again")
		released, _, err := kv.Release(&api.KVPair{Key: "hold", Session: first}, nil)
		t.check(err == nil && released, "release: %v", err)
		t.check(acquire(second), "the next one")
		pair, _, err := kv.Get("hold", nil)
		t.must(err, "get")
		t.equal([]any{pair.Session, pair.LockIndex}, []any{second, uint64(2)}, "pair")
		_, _, err = kv.Acquire(&api.KVPair{Key: "hold", Session: "00000000-0000-0000-0000-000000000000"}, nil)
		t.fails(err, "invalid session")
	}},
	{"session: its end releases or deletes what it held, and delays the next lock", func(t *T) {
		kv := t.client.KV()
		id := t.holding("ended", &api.SessionEntry{LockDelay: time.Second})
		other := t.holding("ended-other", &api.SessionEntry{Behavior: api.SessionBehaviorDelete})
		t.defers(func() { _, _ = kv.Delete("ended", nil) })
		for _, session := range []string{id, other} {
			_, err := t.client.Session().Destroy(session, nil)
			t.must(err, "destroy")
		}
		pair, _, err := kv.Get("ended", nil)
		t.check(err == nil && pair != nil && pair.Session == "", "released: %v %v", pair, err)
		pair, _, err = kv.Get("ended-other", nil)
		t.check(err == nil && pair == nil, "deleted: %v %v", pair, err)
		next, _, err := t.client.Session().Create(nil, nil)
		t.must(err, "create")
		t.defers(func() { _, _ = t.client.Session().Destroy(next, nil) })
		started := time.Now()
		got, _, err := kv.Acquire(&api.KVPair{Key: "ended", Session: next}, nil)
		t.check(err == nil && (!got || time.Since(started) > time.Second), "acquired within the lock delay: %v", err)
		t.until("the lock delay ends", func() bool {
			got, _, err := kv.Acquire(&api.KVPair{Key: "ended", Session: next}, nil)
			return err == nil && got
		})
	}},
	{"session: a critical check ends it", func(t *T) {
		t.service(&api.AgentServiceRegistration{Name: "sess-svc", Check: &api.AgentServiceCheck{CheckID: "sess-chk", TTL: "60s", Status: "passing"}})
		id := t.holding("sess-key", &api.SessionEntry{ServiceChecks: []api.ServiceCheck{{ID: "sess-chk"}}, Behavior: api.SessionBehaviorDelete})
		t.must(t.client.Agent().FailTTL("sess-chk", "down"), "fail")
		t.until("the session is gone", func() bool {
			info, _, err := t.client.Session().Info(id, nil)
			return err == nil && info == nil
		})
		pair, _, err := t.client.KV().Get("sess-key", nil)
		t.check(err == nil && pair == nil, "its key: %v %v", pair, err)
		_, _, err = t.client.Session().Create(&api.SessionEntry{ServiceChecks: []api.ServiceCheck{{ID: "sess-chk"}}}, nil)
		t.fails(err, "critical state")
	}},
	{"session: ends by its TTL unless it is renewed", func(t *T) {
		lapsing := t.holding("lapse", &api.SessionEntry{TTL: "10s", Behavior: api.SessionBehaviorDelete})
		kept, _, err := t.client.Session().Create(&api.SessionEntry{TTL: "10s"}, nil)
		t.must(err, "create")
		stop, renewed := make(chan struct{}), make(chan error, 1)
		go func() { renewed <- t.client.Session().RenewPeriodic("10s", kept, nil, stop) }()
		t.until("the session is gone", func() bool {
			info, _, err := t.client.Session().Info(lapsing, nil)
			return err == nil && info == nil
		})
		info, _, err := t.client.Session().Info(kept, nil)
		t.check(err == nil && info != nil, "the renewed session is gone: %v", err)
		close(stop)
		t.must(<-renewed, "renew periodically")
	}},
}

var lockCases = []testCase{
	{"lock: excludes, is lost when its session ends, and can be taken again", func(t *T) {
		options := func() *api.LockOptions {
			return &api.LockOptions{Key: "lock/one", SessionTTL: "10s", LockDelay: time.Millisecond, LockWaitTime: time.Second, LockTryOnce: true}
		}
		first, err := t.client.LockOpts(options())
		t.must(err, "lock")
		lost, err := first.Lock(nil)
		t.check(err == nil && lost != nil, "take: %v", err)
		second, err := t.newClient().LockOpts(options())
		t.must(err, "second")
		taken, err := second.Lock(nil)
		t.check(err == nil && taken == nil, "two holders: %v", err)
		pair, _, err := t.client.KV().Get("lock/one", nil)
		t.must(err, "get")
		t.equal(pair.Flags, uint64(api.LockFlagValue), "flags")
		_, err = t.client.Session().Destroy(pair.Session, nil)
		t.must(err, "destroy")
		select {
		case <-lost:
		case <-time.After(10 * time.Second):
			t.fail("the holder was not told")
		}
		_ = first.Unlock()
		t.until("the second holds it", func() bool {
			taken, err = second.Lock(nil)
			return err == nil && taken != nil
		})
		t.must(second.Unlock(), "unlock")
		t.must(second.Destroy(), "destroy lock")
		_, err = t.client.KV().Put(&api.KVPair{Key: "lock/conflict", Flags: 1}, nil)
		t.must(err, "put")
		conflict, err := t.client.LockKey("lock/conflict")
		t.must(err, "lock key")
		_, err = conflict.Lock(nil)
		t.equal(err, api.ErrLockConflict, "conflict")
		_, _ = t.client.KV().DeleteTree("lock/", nil)
	}},
	{"semaphore: lets in as many as it has room for", func(t *T) {
		join := func() *api.Semaphore {
			semaphore, err := t.newClient().SemaphoreOpts(&api.SemaphoreOptions{Prefix: "semaphore/one", Limit: 2, SessionTTL: "10s", SemaphoreWaitTime: time.Second, SemaphoreTryOnce: true})
			t.must(err, "semaphore")
			return semaphore
		}
		all := []*api.Semaphore{join(), join(), join()}
		for i, semaphore := range all {
			lost, err := semaphore.Acquire(nil)
			t.must(err, "acquire")
			t.equal(lost != nil, i < 2, "let in")
		}
		t.must(all[0].Release(), "release")
		lost, err := all[2].Acquire(nil)
		t.check(err == nil && lost != nil, "after a release: %v", err)
		t.must(all[1].Release(), "release")
		t.must(all[2].Release(), "release")
		t.must(all[2].Destroy(), "destroy")
	}},
}
