package stack

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestOneStackAState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	unlock, err := lockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockState(dir)
	if err == nil {
		t.Fatal("two stacks took the same folder")
	}
	for _, want := range []string{dir, "process " + strconv.Itoa(os.Getpid()), "--state"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = lockState(dir)
	if err != nil {
		t.Fatalf("after the first gave it back: %v", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

func TestPortsAreFreeAndDistinct(t *testing.T) {
	var p Ports
	if err := p.settle(); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range []int{p.Kafka, p.ClickHouseNative, p.ClickHouseHTTP, p.S3} {
		if port == 0 || seen[port] {
			t.Errorf("ports are %+v; want four different ones", p)
		}
		seen[port] = true
	}
}

func TestPortsThatAreAskedFor(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	}()
	port := taken.Addr().(*net.TCPAddr).Port

	var free Ports
	if err := free.settle(); err != nil {
		t.Fatal(err)
	}
	asked := Ports{Kafka: free.Kafka}
	if err := asked.settle(); err != nil || asked.Kafka != free.Kafka {
		t.Errorf("asked for %d, got %d (%v)", free.Kafka, asked.Kafka, err)
	}
	// All faults at once.
	wrong := Ports{Kafka: port, ClickHouseNative: free.S3, S3: free.S3}
	err = wrong.settle()
	if err == nil {
		t.Fatal("want an error")
	}
	for _, want := range []string{
		"--kafka-port is " + strconv.Itoa(port), "address already in use",
		"--s3-port is " + strconv.Itoa(free.S3) + ", and so is --clickhouse-port",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}

func TestAddressesFile(t *testing.T) {
	want := Addresses{
		Kafka:      KafkaAddress{Name: "kfake", Brokers: []string{"127.0.0.1:1"}},
		ClickHouse: ClickHouseAddress{Native: "127.0.0.1:2", HTTP: "127.0.0.1:3", User: user, Password: password, Database: database, Pid: 4},
		S3:         S3Address{Endpoint: "http://127.0.0.1:5", Region: "r", Bucket: bucket, AccessKey: "a", SecretKey: "s", Pid: 6},
		State:      "/state",
	}
	path := filepath.Join(t.TempDir(), "addresses.json")
	if err := want.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got Addresses
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, wrote %+v", got, want)
	}
	// What people read names the same.
	for _, part := range []string{"127.0.0.1:1 ", "(kfake)", "127.0.0.1:2 ", "http://127.0.0.1:3", "http://127.0.0.1:5", "/state"} {
		if !strings.Contains(want.String(), part) {
			t.Errorf("the addresses for people lack %q:\n%v", part, want)
		}
	}
}
