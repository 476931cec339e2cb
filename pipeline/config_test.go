package pipeline

import (
	"strings"
	"testing"
	"time"

	"penstock/transport"
)

func TestValidateReportsEveryFaultAtOnce(t *testing.T) {
	f := func(name string, change func(*Config), want ...string) {
		t.Helper()
		c := Default()
		c.Kafka.Brokers, c.Kafka.Topic, c.ClickHouse.Addr, c.Lanes = []string{"k:9092"}, "telemetry", "c:9000", 2
		change(&c)
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if got != strings.Join(want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, strings.Join(want, "\n"))
		}
	}
	f("good", func(*Config) {})
	f("the least of everything", func(c *Config) {
		c.Kafka.SessionTimeout, c.Batch.Rows, c.Batch.PerLane, c.Lanes = time.Second, 1, 2, 1
		c.Dedup.Blocks, c.Breaker.Failures, c.MaxRecordBytes, c.Memory = 2, 1, 1, c.memoryFor(minBatchBytes)
	})
	f("too little memory for the lanes", func(c *Config) { c.Lanes, c.Memory = 8, 600<<20 },
		"memory is 629145600 bytes, which leaves 0 for each of 24 batches; raise it to 1700663296, or lower lanes, batch.per_lane or dedup.blocks")
	f("too many of everything", func(c *Config) {
		c.Lanes, c.Batch.PerLane, c.Dedup.Blocks, c.Memory = 1<<62, 1<<62, 1<<62, 0
	},
		"batch.per_lane is 4611686018427387904; want at most 1024, and rather 3",
		"dedup.blocks is 4611686018427387904; want 2 to 1073741824",
		"lanes is 4611686018427387904; want 1 to 1024, and rather half the number of cores")
	f("dead letters to the topic itself", func(c *Config) { c.Kafka.DeadLetterTopic = "telemetry" },
		`kafka.dead_letter_topic is "telemetry", the topic itself; rejects would be read again for ever`)
	f("how servers are reached", func(c *Config) {
		c.Kafka.TLS.CAFile, c.ClickHouse.TLS.Enabled, c.ClickHouse.TLS.CertFile = "ca.pem", true, "node.pem"
		c.Kafka.SASL.Mechanism, c.ClickHouse.Password = "kerberos", transport.SecretFile("nowhere")
		c.Kafka.Registry.URL, c.Kafka.Registry.User, c.Kafka.Registry.Token = "http://u:p@registry", "node", transport.NewSecret("hunter2")
	},
		`kafka.registry.url is "http://u:xxxxx@registry"; a URL is shown in errors: give kafka.registry.user and kafka.registry.password`,
		"kafka.registry has a token and a user or password; keep one",
		"kafka.tls.enabled is false, and other settings of kafka.tls would not be used; set it to true, or drop them",
		`kafka.sasl.mechanism is "kerberos"; want one of [plain scram-sha-256 scram-sha-512 oauthbearer aws-msk-iam], or nothing for none`,
		"clickhouse.password_file cannot be used: open nowhere: no such file or directory",
		`clickhouse.tls.cert_file is "node.pem" and clickhouse.tls.key_file ""; they go together, set both or neither`)
	f("nothing right", func(c *Config) {
		*c = Config{ClickHouse: ClickHouse{Compression: "gzip"}, Lanes: -1}
		c.Batch.Age, c.StopTimeout = -time.Second, -time.Minute
	},
		"kafka.brokers is empty; name at least one, such as [localhost:9092]",
		"kafka.topic is empty; name the topic the devices send to",
		`kafka.encoding is ""; want one of [json protobuf avro]`,
		`kafka.framing is ""; want one of [single batched]`,
		"kafka.max_batch_bytes is 0; want 1048576 to 1073741824, and rather 33554432",
		"kafka.group is empty; the default is penstock",
		"kafka.session_timeout is 0s; want at least 1s, or every pause is taken for a death",
		`kafka.recovery is ""; want in-order or fresh-first`,
		"kafka.fresh_after is 0s; want at least 1s, or every restart leaves a gap",
		"clickhouse.addr is empty; want host:port of the native protocol, such as localhost:9000",
		"clickhouse.user is empty; the server's own is called default",
		"clickhouse.dial_timeout is 0s; want a positive duration such as 3s",
		"clickhouse.database is empty; the default is default",
		`clickhouse.compression is "gzip"; want none, lz4 or zstd`,
		"clickhouse.insert_timeout is 0s; want a positive duration such as 30s",
		"batch.rows is 0; want at least 1",
		"batch.age is -1s; want a positive duration such as 200ms",
		"batch.age_limit is 0s; want a positive duration such as 1s, or batch.age for batches that never wait longer",
		"batch.behind is 0s; want a positive duration such as 5s",
		"batch.per_lane is 0; need 2: one fills while one is stored",
		"dedup.window is 0s; want at least 1ms, and rather 1h",
		"dedup.blocks is 0; want 2 to 1073741824",
		"breaker.failures is 0; want at least 1",
		"breaker.window is 0s; want a positive duration such as 30s",
		"breaker.cooldown is 0s; want a positive duration such as 2s",
		"enrich.refresh is 0s; want at least 100ms, and rather 30s",
		"enrich.start_timeout is 0s; want a positive duration such as 1m",
		`enrich.without is ""; want fail or nulls`,
		"rejects.share is 0; want a share of all records in (0, 1], such as 0.05, or 1 for no bound",
		"rejects.window is 0s; want at least 1s, and rather 1m",
		"rejects.least is 0; want at least 1, and rather 1000",
		`rejects.policy is ""; want alert or stop`,
		"stop_timeout is -1m0s; want a positive duration such as 20s",
		"max_record_bytes is 0; want at least 1",
		"bounds.fields is 0; want at least 1, and rather 4096",
		"bounds.text_bytes is 0; want at least 1, and rather 262144",
		"bounds.extra_bytes is 0; want at least 2, an empty object, and rather 1048576",
		"bounds.nesting is 0; want 1 to 64, which every reader of extra bears",
		"bounds.events is 0; want 1 to 65536",
		"bounds.header_bytes is 0; want at least 1, and rather 65536",
		`evolution.policy is ""; want propose, auto or frozen`,
		"evolution.watch is 0s; want at least 100ms, and rather 1s",
		"evolution.every is 0s; want at least 1s",
		"evolution.rows is 0; want at least 1",
		"evolution.max_columns is 0; want at least 1, and rather 200",
		"lanes is -1; want 1 to 1024, and rather half the number of cores",
		"decoders is 0; want 1 to 64, and rather 2")
}

// A window counts in milliseconds, and divides by them.
func TestAWindowIsAtLeastAMillisecond(t *testing.T) {
	c := Default()
	c.Kafka.Brokers, c.Kafka.Topic, c.ClickHouse.Addr, c.Lanes = []string{"k:9092"}, "telemetry", "c:9000", 2
	c.Dedup.Window = time.Microsecond
	if err := c.Validate(); err == nil {
		t.Error("a window of a microsecond is valid")
	}
}

// Whoever has more cores needs no other config than whoever has few.
func TestTheDefaultsFitEachOther(t *testing.T) {
	for _, cores := range []int{1, 2, 8, 64, 256} {
		c := Default()
		c.Kafka.Brokers, c.Kafka.Topic, c.ClickHouse.Addr = []string{"k:9092"}, "telemetry", "c:9000"
		c.Memory = c.Memory / int64(c.Lanes) * int64(cores)
		c.Lanes = cores
		if err := c.Validate(); err != nil {
			t.Errorf("%d cores: %v", cores, err)
		}
	}
}

// What a node may hold at once leaves the runtime its quarter.
func TestTheBudgetHoldsEverything(t *testing.T) {
	for _, recovery := range []Recovery{InOrder, FreshFirst} {
		c := Default()
		c.Kafka.Recovery = recovery
		batches := int64(c.batchBytes() * c.Lanes * c.Batch.PerLane)
		queues := int64(c.queueBytes() * c.Lanes)
		if recovery == FreshFirst {
			queues += int64(c.gapFetchBytes()) * unpacked * 2 * int64(c.Lanes)
		}
		fetches := int64(c.fetchBytes()) * fetchesAtOnce * unpacked
		if held := batches + queues + fetches + c.identityBytes(); held > c.Memory/4*3 || held < c.Memory/10*7 {
			t.Errorf("%s: of %d bytes a node may hold %d", recovery, c.Memory, held)
		}
	}
}
