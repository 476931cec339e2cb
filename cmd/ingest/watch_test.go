package main

import (
	"bytes"
	"strings"
	"testing"
)

// What is wrong is said before anything is reached.
func TestWatchFaults(t *testing.T) {
	f := func(want string, set ...string) {
		t.Helper()
		var out bytes.Buffer
		root := command(&out)
		args := []string{"watch", "--set", "kafka.brokers=localhost:1", "--set", "kafka.topic=t", "--set", "clickhouse.addr=localhost:1"}
		for _, s := range set {
			args = append(args, "--set", s)
		}
		root.SetArgs(args)
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", set, err, want)
		}
	}
	f("watch.every is 1ms; want at least 100ms", "watch.every=1ms")
	f("watch.canary_limit is 5s; want more than 5s", "watch.canary_limit=5s")
	f("watch.day_due is -1h0m0s", "watch.day_due=-1h")
	f(`watch.addr is ":9468", which others than this machine reach; set admin.token_file`, "watch.addr=:9468")
	f(`watch.addr is "9468"; want host:port`, "watch.addr=9468")
	f("stream t: kafka.registry.url is", "watch.addr=", "kafka.registry.url=http://localhost:1")
}
