package stacktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
)

// TestPartsComeBack takes each part away, by a kill and by a stop, and finds it
// again at its address with its data.
func TestPartsComeBack(t *testing.T) {
	s := start(t, "")
	ctx, a := t.Context(), s.Addresses()
	if a.Kafka.Name != "apache-4.3.1" {
		t.Logf("kafka is %s", a.Kafka.Name)
	}

	broker := kafkaClient(t, a)
	if _, err := kadm.NewClient(broker).CreateTopic(ctx, 1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	if err := broker.ProduceSync(ctx, kgo.StringRecord("kept")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	db := clickHouseClient(t, a)
	for _, statement := range []string{
		"CREATE TABLE kept (x UInt64) ENGINE = MergeTree ORDER BY x",
		"INSERT INTO kept SELECT number FROM numbers(1000)",
	} {
		if err := db.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(ctx, s, a, "kept"); err != nil {
		t.Fatal(err)
	}

	check := func(after string) {
		t.Helper()
		if got := s.Addresses(); got.Kafka.Brokers[0] != a.Kafka.Brokers[0] || got.ClickHouse.Native != a.ClickHouse.Native ||
			got.ClickHouse.HTTP != a.ClickHouse.HTTP || got.S3.Endpoint != a.S3.Endpoint {
			t.Errorf("after %s the addresses are %+v, were %+v", after, got, a)
		}
		reader := kafkaClient(t, a, kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		if records := reader.PollFetches(ctx).Records(); len(records) != 1 || string(records[0].Value) != "kept" {
			t.Errorf("after %s Kafka has %d records, want the one", after, len(records))
		}
		var rows uint64
		if err := clickHouseClient(t, a).QueryRow(ctx, "SELECT count() FROM kept").Scan(&rows); err != nil || rows != 1000 {
			t.Errorf("after %s ClickHouse has %d rows (%v), want 1000", after, rows, err)
		}
		// The gateway refuses a second write under the condition that there is
		// none, and so shows that it has the first.
		var refused smithy.APIError
		if err := put(ctx, s, a, "kept"); !errors.As(err, &refused) || refused.ErrorCode() != "PreconditionFailed" {
			t.Errorf("after %s a second conditional write of an object: %v, want PreconditionFailed", after, err)
		}
		if err := s.Err(); err != nil {
			t.Errorf("after %s: %v", after, err)
		}
	}
	check("the start")

	type part interface {
		Start(context.Context) error
		Stop() error
		Kill() error
	}
	for _, p := range []struct {
		name string
		part part
	}{{"kafka", s.Kafka}, {"clickhouse", s.ClickHouse}, {"s3", s.S3}} {
		if p.name == "kafka" && s.Kafka.Process() == nil {
			t.Log("kfake is part of this process and cannot be killed")
			continue
		}
		for how, end := range map[string]func() error{"kill": p.part.Kill, "stop": p.part.Stop} {
			if err := end(); err != nil {
				t.Fatalf("%s %s: %v", how, p.name, err)
			}
			if err := p.part.Start(ctx); err != nil {
				t.Fatalf("start %s after a %s: %v", p.name, how, err)
			}
			check("a " + how + " of " + p.name)
		}
	}

	// An end nobody asked for is found, with the log it left.
	pid := s.Addresses().S3.Pid
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "error about the dead gateway", func() error {
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("versitygw (pid %d) ended by itself", pid)) {
			return errors.Join(errors.New("the stack does not say so"), err)
		}
		return nil
	})
}

// TestSideBySide runs a stack beside another, and refuses to run one in
// another's folder.
func TestSideBySide(t *testing.T) {
	one := start(t, kafka.KFake)
	two := start(t, kafka.KFake)
	for _, s := range []*stack.Stack{one, two} {
		if err := clickHouseClient(t, s.Addresses()).Exec(t.Context(), "CREATE TABLE mine (x UInt8) ENGINE = Memory"); err != nil {
			t.Error(err)
		}
	}
	cfg := config(t, kafka.KFake)
	cfg.State = one.Addresses().State
	if _, err := stack.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "is in use by the stack of process") {
		t.Errorf("a second stack in one folder: %v", err)
	}
}

// TestUp runs the command as a user does, and ends it once by ^C and once as a
// power cut would: either way nothing of it is left.
func TestUp(t *testing.T) {
	for _, end := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(end.String(), func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "addresses.json")
			cmd := exec.Command(local(t), "up", "--kafka", "kfake", "--state", filepath.Join(dir, "state"), "--json", file)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var a stack.Addresses
			eventually(t, "addresses", func() error {
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				return json.Unmarshal(text, &a)
			})
			if err := cmd.Process.Signal(end); err != nil {
				t.Fatal(err)
			}
			err := cmd.Wait()
			if end == syscall.SIGINT && err != nil {
				t.Errorf("^C ended it with %v:\n%s", err, out.String())
			}
			for _, pid := range []int{a.ClickHouse.Pid, a.S3.Pid} {
				eventually(t, fmt.Sprintf("end of process %d", pid), func() error {
					if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
						return errors.Join(errors.New("it is still there"), err)
					}
					return nil
				})
			}
		})
	}
}

func kafkaClient(t *testing.T, a stack.Addresses, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(a.Kafka.Brokers...), kgo.DefaultProduceTopic("t"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func clickHouseClient(t *testing.T, a stack.Addresses) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{a.ClickHouse.Native},
		Auth: clickhouse.Auth{Database: a.ClickHouse.Database, Username: a.ClickHouse.User, Password: a.ClickHouse.Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// put writes an object on the condition that there is none.
func put(ctx context.Context, s *stack.Stack, a stack.Addresses, key string) error {
	_, err := s.S3.Client().PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(a.S3.Bucket), Key: aws.String(key),
		Body: strings.NewReader("content"), IfNoneMatch: aws.String("*"),
	})
	return err
}

func eventually(t *testing.T, what string, cond func() error) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		err := cond()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("no %s within a minute: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
