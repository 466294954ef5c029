// Consul's own Go client against a running agent: every endpoint of this version through the functions
// that tools like Traefik, Vault, Nomad and consul-template call.
//
//	clients <address of the HTTP API>
//
// Prints one line a case, "ok <name>" or "not ok <name>: <why>", and ends with 1 if any failed. Cases have
// names of their own for everything they create and run side by side, but for those that change the whole
// node, which run last. Each case is bounded by caseMax. With CONSUL_HTTP_TOKEN, that of a token with all rights, access
// control is tried too.
package main

import (
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

const caseMax = 45 * time.Second

type testCase struct {
	name string
	run  func(t *T)
}

// T is what a case talks to; the first failed check ends the case.
type T struct {
	address string
	client  *api.Client
	node    string
	cleanup []func()
}

type failure struct{ text string }

func (t *T) fail(format string, args ...any) { panic(failure{fmt.Sprintf(format, args...)}) }

func (t *T) must(err error, what string) {
	if err != nil {
		t.fail("%s: %v", what, err)
	}
}

func (t *T) check(ok bool, format string, args ...any) {
	if !ok {
		t.fail(format, args...)
	}
}

func (t *T) equal(got, want any, what string) {
	if !reflect.DeepEqual(got, want) {
		t.fail("%s: got %#v, want %#v", what, got, want)
	}
}

func (t *T) fails(err error, text string) {
	if err == nil || !strings.Contains(err.Error(), text) {
		t.fail("expected an error with %q, got %v", text, err)
	}
}

func (t *T) defers(f func()) { t.cleanup = append(t.cleanup, f) }

// until asks again until the condition holds; the bound of the case bounds it too.
func (t *T) until(what string, holds func() bool) {
	for end := time.Now().Add(caseMax / 2); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.fail("never happened: %s", what)
}

func (t *T) newClient() *api.Client {
	config := api.DefaultConfig()
	config.Address = t.address
	client, err := api.NewClient(config)
	t.must(err, "client")
	return client
}

// service registers one for the duration of the case.
func (t *T) service(registration *api.AgentServiceRegistration) {
	t.must(t.client.Agent().ServiceRegister(registration), "register "+registration.Name)
	id := registration.ID
	if id == "" {
		id = registration.Name
	}
	t.defers(func() { _ = t.client.Agent().ServiceDeregister(id) })
}

func runCase(c testCase, address string) (problem string) {
	done := make(chan string, 1)
	go func() {
		t := &T{address: address}
		defer func() {
			text := ""
			switch thrown := recover().(type) {
			case nil:
			case failure:
				text = thrown.text
			default:
				text = fmt.Sprintf("panic: %v\n%s", thrown, debug.Stack())
			}
			for i := len(t.cleanup) - 1; i >= 0; i-- {
				t.cleanup[i]()
			}
			done <- text
		}()
		t.client = t.newClient()
		name, err := t.client.Agent().NodeName()
		t.must(err, "node name")
		t.node = name
		c.run(t)
	}()
	select {
	case problem = <-done:
		return problem
	case <-time.After(caseMax):
		return fmt.Sprintf("not done after %v", caseMax)
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: clients <address of the HTTP API>")
		os.Exit(2)
	}
	var side []testCase
	for _, list := range [][]testCase{agentCases, catalogCases, healthCases, kvCases, sessionCases, lockCases, meshCases, operatorCases, queryCases} {
		side = append(side, list...)
	}
	if os.Getenv("CONSUL_HTTP_TOKEN") != "" {
		side = append(side, aclCases...)
	}
	failed := false
	var output, wait = sync.Mutex{}, sync.WaitGroup{}
	report := func(c testCase) {
		problem := runCase(c, os.Args[1])
		output.Lock()
		defer output.Unlock()
		if problem == "" {
			fmt.Println("ok " + c.name)
			return
		}
		failed = true
		fmt.Println("not ok " + c.name + ": " + strings.ReplaceAll(problem, "\n", "\\n"))
	}
	for _, c := range side {
		wait.Add(1)
		go func() {
			defer wait.Done()
			report(c)
		}()
	}
	wait.Wait()
	for _, c := range append(snapshotCases, wholeNodeCases...) {
		report(c)
	}
	if failed {
		os.Exit(1)
	}
}
