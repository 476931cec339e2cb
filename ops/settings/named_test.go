package settings_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/ops/settings"
)

// plant has sections of one shape whose names are the user's.
type plant struct {
	Lanes int                  `koanf:"lanes"`
	Halls settings.Named[hall] `koanf:"halls"`
}

type hall struct {
	Lanes int `koanf:"lanes"`
	Power struct {
		Topic string `koanf:"topic"`
	} `koanf:"power"`
}

func (p *plant) Validate() error {
	var errs []error
	for _, name := range p.Halls.Names() {
		if p.Halls.Get(name).Power.Topic == "" {
			errs = append(errs, fmt.Errorf("halls.%s.power.topic is empty", name))
		}
	}
	return errors.Join(errs...)
}

func loadPlant(t *testing.T, file string, environ, set []string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plant.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &plant{Lanes: 1}
	p.Halls.Begin = func(name string) (h hall) {
		h.Lanes, h.Power.Topic = p.Lanes, name
		return h
	}
	if environ == nil {
		environ = []string{}
	}
	err := settings.Load(p, settings.Sources{File: path, EnvPrefix: "PLANT_", Environ: environ, Set: set})
	if err != nil {
		return "", errors.New(strings.ReplaceAll(err.Error(), path, "plant.yaml"))
	}
	var said []string
	for _, name := range p.Halls.Names() {
		h := p.Halls.Get(name)
		said = append(said, fmt.Sprintf("%s %d %s", name, h.Lanes, h.Power.Topic))
	}
	return strings.Join(said, ", "), nil
}

// A named section begins as what is set outside of all of them, wherever that
// stands, and each source may add to it or begin one.
func TestNamedSections(t *testing.T) {
	f := func(name, want, file string, environ, set []string) {
		t.Helper()
		got, err := loadPlant(t, file, environ, set)
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
		}
	}
	f("none", "", "lanes: 3\n", nil, nil)
	f("only named", "a 1 a, b 1 b", "halls:\n  a:\n  b: {}\n", nil, nil)
	f("what follows is what it begins as", "a 3 a", "halls: {a: {}}\nlanes: 3\n", nil, nil)
	f("a flag is what it begins as", "a 4 a, b 9 x", "halls: {a: {}, b: {lanes: 9, power: {topic: x}}}\nlanes: 3\n", nil, []string{"lanes=4"})
	f("every source", "a 2 flag, b-1 1 env", "halls: {a: {lanes: 2, power: {topic: file}}}\n",
		[]string{"PLANT_HALLS__A__POWER__TOPIC=env", "PLANT_HALLS__B-1__POWER__TOPIC=env"}, []string{"halls.a.power.topic=flag"})
}

func TestFaultsOfNamedSections(t *testing.T) {
	f := func(name, want, file string, set ...string) {
		t.Helper()
		if got, err := loadPlant(t, file, nil, set); err == nil || err.Error() != want {
			t.Errorf("%s: got %q and\n%v\nwant\n%s", name, got, err, want)
		}
	}
	f("all at once", `plant.yaml:1: halls.a.power.topc is not a setting; did you mean halls.a.power.topic?
plant.yaml:1: lans is not a setting; did you mean lanes?
--set halls.a.lanes: halls.a.lanes is "two"; want a whole number such as 100000 or 100_000, or a size such as 384MiB`,
		"{halls: {a: {power: {topc: x}}}, lans: 3}\n", "halls.a.lanes=two")
	f("of another section", "--set halls.a.topic: halls.a.topic is not a setting; did you mean halls.a.power.topic?", "", "halls.a.topic=x")
	f("no such setting", "--set halls.a.x: halls.a.x is not a setting; there are halls.a.lanes, halls.a.power", "", "halls.a.x=1")
	f("a value for a section", `--set halls.a: halls.a is "x"; want a section with some of halls.a.lanes, halls.a.power`, "", "halls.a=x")
	f("a value for all of them", `plant.yaml:1: halls is the list ["a" "b"]; want sections with names of your choice`, "halls: [a, b]\n")
	f("a name no variable can have", "plant.yaml:1: halls.A is no name for a section of halls; want a small letter, then small letters, digits, - or single _, 63 in all at most", "halls: {A: {}}\n")
	f("a name that ends a variable's level", "--set halls.a__b.lanes: halls.a__b is no name for a section of halls; want a small letter, then small letters, digits, - or single _, 63 in all at most", "", "halls.a__b.lanes=1")
	f("given twice", "plant.yaml:2: halls.a.lanes was given in line 1 already; keep one", "halls: {a: {lanes: 1}}\nhalls.a.lanes: 2\n")
	f("nothing for a value", `plant.yaml:1: lanes is empty; want a value; "" is empty text, [] an empty list, and without the line the default holds`, "lanes: {}\n")
	f("validated", "halls.a.power.topic is empty", "halls: {a: {power: {topic: ''}}}\n")
}
