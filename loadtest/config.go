package loadtest

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"time"

	"penstock/schema"
	"penstock/transport"
	"penstock/transport/brokers"
	"penstock/transport/native"
)

// Config says what to send, where to, and where to look for it.
type Config struct {
	// Brokers are the Kafka seed brokers, host:port.
	Brokers []string
	// Security is how they and the load test know each other.
	Security brokers.Security
	// Topic receives the telemetry. It has to exist.
	Topic string
	// DeadLetters is the topic of the rejected records. Empty: what is
	// rejected is not looked at, and the run cannot prove it.
	DeadLetters string
	// ClickHouse is where the telemetry arrives.
	ClickHouse ClickHouse

	// Encoding is how events are written. The default value is json.
	Encoding schema.Encoding

	// Run names this run; it is part of every device id, so that runs against
	// the same tables are kept apart. The default value is the time of day.
	Run string
	// Seed decides what is sent. The default value is 1.
	Seed uint64
	// Rate is how many records of all kinds are sent a second. Default 20,000.
	Rate float64
	// Duration is how long they are sent. 0: until the context ends.
	Duration time.Duration
	// Devices is the size of the fleet. Default 10,000.
	Devices int
	// Shares are those of the unusual records.
	Shares Shares
	// Phases, if there are any, are the load instead of Rate, Duration and
	// Shares.
	Phases []Phase
	// Upgrade is what part of the fleet gets while the run lasts.
	Upgrade Upgrade

	// PollEvery is how finely visibility is measured. Smaller: ClickHouse, which
	// may share the machine with what is measured, is asked more often. Larger:
	// half of it is added to each latency. Default 50 ms.
	PollEvery time.Duration
	// Intervals is the length of the parts of the run whose visibility is told
	// apart, by when readings were to be sent. Default 0: it is not.
	Intervals time.Duration
	// Waited is how long after its intended send time a reading may become
	// visible without being counted as one that had to wait. The default value
	// is 1 s: beyond what a batch takes on its way, below any stall worth a name.
	Waited time.Duration
	// VerifyTimeout is how long after the last record is sent its arrival may
	// take before it counts as missing. 0: nothing is verified. Default 2 min.
	VerifyTimeout time.Duration
	// AllowDuplicates reports duplicates without failing for them: for runs in
	// which the node is killed.
	AllowDuplicates bool
	// State is the file in which the run leaves what has to be stored, so that
	// it can be proven again later, and after tiering. Empty: none.
	State string
	// ProgressEvery is the time between two progress lines. Default 1 s.
	ProgressEvery time.Duration
}

// ClickHouse says where stored events are looked for.
type ClickHouse struct {
	// Addr is the native interface, host:port.
	Addr     string
	User     string
	Password transport.Secret
	TLS      transport.TLS
	Database string
	// Table is where the proof looks: the analysts' view by default, so that
	// it holds wherever tiering has put a day.
	Table string
	// Hot is where visibility is polled: the table inserts go to.
	Hot string
}

// Shares are parts of all records, each in [0, 1).
type Shares struct {
	// Resend is sent a second time, 0.1 to 20 s after the first. Default 2 %.
	Resend float64
	// Late was read up to 40 days ago. Default 1 %.
	Late float64
	// Malformed has to be rejected. Default 0.1 %.
	Malformed float64
	// Kept was read in the last hour by a device that had no network, and is
	// sent now. Default 0.
	Kept float64
}

// validate reports every fault of s at once.
func (s Shares) validate() error {
	var errs []error
	sum := 0.0
	for _, one := range []struct {
		name  string
		value float64
	}{{"resend", s.Resend}, {"late", s.Late}, {"malformed", s.Malformed}, {"kept", s.Kept}} {
		if one.value < 0 || one.value >= 1 {
			errs = append(errs, fmt.Errorf("%s is %g; use a share in [0, 1), such as 0.02 for two percent", one.name, one.value))
		}
		sum += one.value
	}
	if sum >= 1 {
		errs = append(errs, fmt.Errorf("resend, late, malformed and kept are %.3g together; leave a share for live readings", sum))
	}
	return errors.Join(errs...)
}

// DefaultConfig returns the defaults: the load of the smoke test.
func DefaultConfig() Config {
	return Config{
		Topic:         "telemetry",
		DeadLetters:   "telemetry.dead",
		ClickHouse:    ClickHouse{User: "default", Database: "default", Table: "telemetry_all", Hot: "telemetry"},
		Encoding:      schema.JSON,
		Run:           strconv.FormatInt(time.Now().UnixMilli(), 36),
		Seed:          1,
		Rate:          20_000,
		Devices:       10_000,
		Shares:        Shares{Resend: 0.02, Late: 0.01, Malformed: 0.001},
		Upgrade:       Upgrade{After: 10 * time.Second, Fields: 3},
		PollEvery:     50 * time.Millisecond,
		Waited:        time.Second,
		VerifyTimeout: 2 * time.Minute,
		ProgressEvery: time.Second,
	}
}

var runName = regexp.MustCompile(`^[a-z0-9]{1,16}$`)

// Validate reports every fault of c at once, each with its value and remedy.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Topic == "" || c.Topic != c.DeadLetters, "dlq-topic is %q, the topic of the telemetry itself; name another", c.DeadLetters)
	check(c.Duration >= 0, "duration is %v; use 0 for endless, or such as 20s", c.Duration)
	check(c.peak() > 0 || len(c.Phases) == 0, "no phase sends anything; give one a rate")
	check(c.PollEvery > 0, "poll-every is %v; use a positive duration, such as 50ms", c.PollEvery)
	check(c.Intervals >= 0, "intervals is %v; use 0 for none, or such as 5s", c.Intervals)
	check(c.Waited > 0, "waited is %v; use a positive duration, such as 1s", c.Waited)
	check(c.VerifyTimeout >= 0, "verify-timeout is %v; use 0 for no verification, or such as 2m", c.VerifyTimeout)
	check(c.ProgressEvery > 0, "progress-every is %v; use a positive duration, such as 1s", c.ProgressEvery)
	u := c.Upgrade
	check(u.Share >= 0 && u.Share <= 1, "upgrade-share is %g; use a share of the devices in [0, 1], such as 0.5", u.Share)
	check(u.After >= 0, "upgrade-after is %v; use 0s or more", u.After)
	check(u.Fields >= 1 && u.Fields <= len(newFields), "upgrade-fields is %d; use 1 to %d", u.Fields, len(newFields))
	return errors.Join(append(errs, validateTopic(c.Brokers, c.Topic), c.Security.Validate(), c.validateFleet(), c.ClickHouse.Validate())...)
}

// validateTopic reports what is wrong with where records go.
func validateTopic(brokers []string, topic string) error {
	var errs []error
	if len(brokers) == 0 {
		errs = append(errs, errors.New("brokers is empty; name one, such as 127.0.0.1:9092"))
	}
	for _, b := range brokers {
		if !isHostPort(b) {
			errs = append(errs, fmt.Errorf("brokers: %q is not host:port, such as 127.0.0.1:9092", b))
		}
	}
	if topic == "" {
		errs = append(errs, errors.New("topic is empty; name the topic of the telemetry"))
	}
	return errors.Join(errs...)
}

// encodings are those the fleet sends.
var encodings = []schema.Encoding{schema.JSON, schema.Protobuf}

// validateFleet reports what is wrong with what is sent.
func (c Config) validateFleet() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(slices.Contains(encodings, c.Encoding), "encoding is %q; use one of %v", c.Encoding, encodings)
	check(runName.MatchString(c.Run), "run is %q; use 1 to 16 lower-case letters and digits", c.Run)
	if len(c.Phases) == 0 {
		check(c.Rate > 0 && c.Rate <= maxRate, "rate is %g; use a number of records a second in (0, %d]", c.Rate, maxRate)
		errs = append(errs, c.Shares.validate())
	}
	for i, p := range c.Phases {
		if err := p.Validate(i == len(c.Phases)-1); err != nil {
			errs = append(errs, fmt.Errorf("phase %s: %w", p.Name, err))
		}
	}
	check(c.Devices > 0 && c.Devices <= maxDevices, "devices is %d; use 1 to %d", c.Devices, maxDevices)
	return errors.Join(errs...)
}

// Validate reports every fault of c at once, each with its value and remedy.
func (c ClickHouse) Validate() error {
	var errs []error
	if !isHostPort(c.Addr) {
		errs = append(errs, fmt.Errorf("clickhouse is %q; use host:port of the native interface, such as 127.0.0.1:9000", c.Addr))
	}
	for _, n := range []struct{ key, value string }{{"database", c.Database}, {"table", c.Table}, {"hot-table", c.Hot}} {
		if n.value == "" {
			errs = append(errs, fmt.Errorf("%s is empty; name one", n.key))
		}
	}
	return errors.Join(append(errs, c.login().Validate())...)
}

// login is how the load test gets in.
func (c ClickHouse) login() native.Login {
	return native.Login{User: c.User, Password: c.Password, TLS: c.TLS, DialTimeout: pollTimeout}
}

func isHostPort(s string) bool {
	_, port, err := net.SplitHostPort(s)
	return err == nil && port != ""
}
