package stacktest

import (
	"path/filepath"
	"testing"

	"penstock/loadtest"
	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/proxy"
	"penstock/ops/local/stack"
	"penstock/transport"
)

func freePort(t *testing.T) int {
	t.Helper()
	port, err := child.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// freeAddr is an address of this machine at which nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	return child.Loopback(freePort(t))
}

// nodeSpec is a node whose files are in the folder, by its name. Its config is to be
// written, with the admin address.
func nodeSpec(t *testing.T, dir, name string) ingest.Spec {
	t.Helper()
	return ingest.Spec{
		Name: name, Program: filepath.Join(products(t), "ingest"), Config: filepath.Join(dir, name+".yaml"),
		Admin: freeAddr(t), Log: filepath.Join(dir, name+".log"),
	}
}

// throughProxy is a proxy before the stack's ClickHouse, until the test ends.
func throughProxy(t *testing.T, a stack.Addresses) *proxy.Proxy {
	t.Helper()
	p, err := proxy.Listen("clickhouse", freePort(t), a.ClickHouse.Native)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// fleetTo is a fleet that sends to the topic, and looks for what it sent in the
// database.
func fleetTo(a stack.Addresses, topic, database string) loadtest.Config {
	c := loadtest.DefaultConfig()
	c.Brokers, c.Topic, c.DeadLetters = a.Kafka.Brokers, topic, topic+".dead"
	c.ClickHouse.Addr, c.ClickHouse.User, c.ClickHouse.Password, c.ClickHouse.Database = a.ClickHouse.Native, a.ClickHouse.User, transport.NewSecret(a.ClickHouse.Password), database
	return c
}
