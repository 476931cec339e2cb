package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"

	"penstock/loadtest"
	"penstock/schema"
)

// Scenario is a load, what breaks meanwhile, and what has to hold.
type Scenario struct {
	// Name is that of the file.
	Name string `yaml:"-"`
	// About says what is tried, and why it is worth it: the first sentence is its
	// title.
	About string `yaml:"about"`
	// Fleet is who sends.
	Fleet Fleet `yaml:"fleet"`
	// Nodes is how many ingest nodes a stack of its own has. The default value
	// is 1: what two nodes add on one machine is contention.
	Nodes int `yaml:"nodes"`
	// Phases are the load, one after the other.
	Phases []Phase `yaml:"phases"`
	// Faults happen meanwhile.
	Faults []Fault `yaml:"faults"`
	// Waited is from when on a reading counts as one that had to wait. The
	// default value is 1 s.
	Waited time.Duration `yaml:"waited"`
	// Recovered is how soon after their intended send time readings are visible
	// when all is well again. The default value is 5 s, which is the promise.
	Recovered time.Duration `yaml:"recovered"`
	// Arrive is how long after the last record its arrival may take. The default
	// value is 2 min.
	Arrive time.Duration `yaml:"arrive"`
	// SLOs are what has to hold, beside what has to hold of every run.
	SLOs []SLO `yaml:"slos"`
	// Compare says by how much a version may be worse than its baseline.
	Compare []Tolerance `yaml:"compare"`
}

// Fleet is who sends what.
type Fleet struct {
	// Devices is how many there are. The default value is 10,000.
	Devices int `yaml:"devices"`
	// Encoding is json or protobuf. The default value is json.
	Encoding schema.Encoding `yaml:"encoding"`
	// Shares are those of the unusual records where a phase has no others.
	Shares `yaml:",inline"`
	// Upgrade is a new firmware that devices get.
	Upgrade Upgrade `yaml:"upgrade"`
}

// Shares are parts of all records; nil: as the fleet has it, and that as the load
// test's defaults have it, but for late ones. Those fall on five other days, and
// an insert holds one day: they would be what every scenario measures.
type Shares struct {
	Resend    *float64 `yaml:"resend"`
	Late      *float64 `yaml:"late"`
	Malformed *float64 `yaml:"malformed"`
	Kept      *float64 `yaml:"kept"`
}

// Upgrade is [loadtest.Upgrade].
type Upgrade struct {
	Share  float64       `yaml:"share"`
	After  time.Duration `yaml:"after"`
	Fields int           `yaml:"fields"`
}

// Phase is a part of the load.
type Phase struct {
	Name string        `yaml:"name"`
	For  time.Duration `yaml:"for"`
	// Rate is records of all kinds a second, and To what it is at the end of the
	// phase; nil: the same.
	Rate float64  `yaml:"rate"`
	To   *float64 `yaml:"to"`
	// Shares are those that are other than the fleet's.
	Shares `yaml:",inline"`
	// Whale is the share of readings that one device sends.
	Whale float64 `yaml:"whale"`
}

// Parse reads a scenario. A key that is none is an error, as is anything the
// scenario's own Validate finds.
func Parse(name string, text []byte) (Scenario, error) {
	s := Scenario{Name: name, Nodes: 1, Waited: time.Second, Recovered: 5 * time.Second, Arrive: 2 * time.Minute,
		Fleet: Fleet{Devices: 10_000, Encoding: schema.JSON}}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("scenario %s: %w", name, err)
	}
	if err := d.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("scenario %s: there is more than one document; write one", name)
	}
	if err := s.Validate(); err != nil {
		return s, fmt.Errorf("scenario %s: %w", name, err)
	}
	return s, nil
}

// Scaled returns the scenario with every rate multiplied.
func (s Scenario) Scaled(by float64) Scenario {
	scaled := make([]Phase, len(s.Phases))
	for i, p := range s.Phases {
		p.Rate *= by
		if p.To != nil {
			to := *p.To * by
			p.To = &to
		}
		scaled[i] = p
	}
	s.Phases = scaled
	return s
}

// Lasts is how long the load lasts.
func (s Scenario) Lasts() time.Duration {
	sum := time.Duration(0)
	for _, p := range s.Phases {
		sum += p.For
	}
	return sum
}

// Records is how many records the load has.
func (s Scenario) Records() float64 {
	sum := 0.0
	for _, p := range s.load() {
		sum += (p.From + p.To) / 2 * p.For.Seconds()
	}
	return sum
}

// Load fills in what the scenario decides of a fleet.
func (s Scenario) Load(c loadtest.Config) loadtest.Config {
	c.Phases, c.Devices, c.Encoding = s.load(), s.Fleet.Devices, s.Fleet.Encoding
	c.Waited, c.VerifyTimeout = s.Waited, s.Arrive
	if u := s.Fleet.Upgrade; u.Share > 0 {
		c.Upgrade = loadtest.Upgrade{Share: u.Share, After: u.After, Fields: u.Fields}
	}
	c.Intervals = Second
	return c
}

// Second is the length of the intervals that latencies are told apart by.
const Second = time.Second

func (s Scenario) load() []loadtest.Phase {
	defaults := loadtest.DefaultConfig().Shares
	defaults.Late = 0
	ofFleet := s.Fleet.over(defaults)
	var phases []loadtest.Phase
	for _, p := range s.Phases {
		next := loadtest.Phase{Name: p.Name, For: p.For, From: p.Rate, To: p.Rate, Shares: p.over(ofFleet), Whale: p.Whale}
		if p.To != nil {
			next.To = *p.To
		}
		phases = append(phases, next)
	}
	return phases
}

// over returns the shares that s says, and those of below where it says none.
func (s Shares) over(below loadtest.Shares) loadtest.Shares {
	for _, one := range []struct{ from, to *float64 }{{s.Resend, &below.Resend}, {s.Late, &below.Late}, {s.Malformed, &below.Malformed}, {s.Kept, &below.Kept}} {
		if one.from != nil {
			*one.to = *one.from
		}
	}
	return below
}
