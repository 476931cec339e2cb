// Package settings fills a program's config from a YAML file, the environment
// and flags, in that order: the later one wins.
//
// It is strict, because a setting that is misspelt and therefore ignored shows
// itself at three in the morning. A key no field has, a value of another type,
// a key given twice: each is a fault that names the key, where it was given,
// the value, and what is wanted. All faults are reported at once, also those
// of a value that a later source overrides, and with them whatever the
// config's own Validate finds.
//
// The config itself, its defaults and their reasons belong to the packages
// that use it. This package knows fields by their `koanf` tag and nothing of
// what they mean.
//
// koanf reads the sources. Its Unmarshal is not used: mapstructure's errors
// know neither the file's line nor the variable, and its weak conversions,
// which text from the environment needs, accept true for a number.
package settings

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// delim parts the levels of a key: kafka.topic.
const delim = "."

// Sources is where settings are read from.
type Sources struct {
	// File is a YAML file; empty for none. One that is named must exist.
	File string
	// EnvPrefix begins the name of every environment variable that is a
	// setting, such as PENSTOCK_. Two underscores part the levels of a key:
	// PENSTOCK_KAFKA__TOPIC is kafka.topic. Empty for none.
	//
	// Every variable with the prefix has to be a setting. So two programs
	// with different settings need different prefixes.
	EnvPrefix string
	// Environ is the environment as os.Environ returns it, which is also
	// what is used when it is nil.
	Environ []string
	// Set holds key=value pairs, as the flag --set takes them.
	Set []string
}

// AddFlags adds --config and --set to a command's flags.
func (s *Sources) AddFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&s.File, "config", "c", s.File, "YAML `file` with settings")
	// An array, not a slice: the comma parts the elements of a list.
	flags.StringArrayVar(&s.Set, "set", s.Set, "one setting, as `key=value`, such as kafka.topic=telemetry; overrides the file and the environment")
}

// AddFlag adds a flag that is another name of a setting, for one that is often
// given by hand. The usage may name its value in back quotes.
func (s *Sources) AddFlag(flags *pflag.FlagSet, name, key, usage string) {
	flags.Func(name, usage+"; the same as --set "+key+"=...", func(value string) error {
		s.Set = append(s.Set, key+"="+value)
		return nil
	})
}

// Load overwrites the fields of dst, a pointer to a struct that holds the
// defaults, with what the sources give, and validates the result if dst has a
// method Validate() error. The error lists every fault; dst is then of no use.
//
// A secret is also filled by its key with _file, which names the file that has it; of
// two sources that give one and the other the later wins, as ever.
//
// A field is text, a bool, a number, a [time.Duration], anything that
// implements [encoding.TextUnmarshaler], or a slice of these; or a struct of
// such fields, or [Named] ones. Lists are replaced, not appended to. An integer
// may be written as a size: 384MiB.
//
// Load panics if dst has an exported field without a `koanf` tag or of another
// type: that is a fault of the program, not of its user.
func Load(dst any, from Sources) error {
	known := fieldsOf(dst)
	faulty := make(map[string]bool)
	var faults []error
	var all []given
	readable := true
	for i, read := range from.layers() {
		layer, err := read()
		for j := range layer {
			layer[j].layer = i
		}
		if err != nil {
			faults = append(faults, err)
			readable = false
		}
		all = append(all, layer...)
	}
	for i, err := range known.setAll(all) {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", all[i].origin, err))
			faulty[all[i].key] = true
		}
	}
	// What could not be read would only look missing.
	if v, ok := dst.(interface{ Validate() error }); ok && readable {
		faults = append(faults, unlessAbout(faulty, v.Validate())...)
	}
	return errors.Join(faults...)
}

// unlessAbout takes joined errors apart and leaves out what Validate says of a
// key whose value never arrived in the config: it judged the default. By
// convention its errors begin with the key.
func unlessAbout(faulty map[string]bool, err error) []error {
	return slices.DeleteFunc(Leaves(err), func(err error) bool {
		key, _, _ := strings.Cut(err.Error(), " ")
		return faulty[key]
	})
}

// given is what one source gives one key.
type given struct {
	key    string
	value  any    // nil, a string or a []string
	origin string // for the user to find it
	layer  int    // the source; the later one wins
	fault  error  // why there is no value
}

// layer reads one source. What could be read is returned beside an error.
type layer func() ([]given, error)

// layers returns the sources, the weakest first.
func (s Sources) layers() []layer {
	var layers []layer
	if s.File != "" {
		layers = append(layers, s.file)
	}
	if s.EnvPrefix != "" {
		layers = append(layers, s.env)
	}
	return append(layers, s.flags)
}

func (s Sources) file() ([]given, error) {
	p := &yamlParser{path: s.File}
	all, err := read(file.Provider(s.File), p, func(key string) string { return fmt.Sprintf("%s:%d", s.File, p.lines[key]) })
	if err != nil {
		return nil, fmt.Errorf("cannot read the settings: %w", err)
	}
	slices.SortStableFunc(all, func(a, b given) int { return cmp.Compare(p.lines[a.key], p.lines[b.key]) })
	return all, errors.Join(p.faults...)
}

func (s Sources) env() ([]given, error) {
	names := make(map[string]string)
	opt := env.Opt{
		Prefix: s.EnvPrefix,
		TransformFunc: func(name, value string) (string, any) {
			key := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, s.EnvPrefix), "__", delim))
			names[key] = name
			return key, value
		},
	}
	if s.Environ != nil {
		opt.EnvironFunc = func() []string { return s.Environ }
	}
	return read(env.Provider("", opt), nil, func(key string) string { return names[key] })
}

func (s Sources) flags() ([]given, error) {
	pairs := make(map[string]any)
	var faulty []given
	for _, pair := range s.Set {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			faulty = append(faulty, given{key: key, origin: "--set " + key, fault: fmt.Errorf("no value; write --set %s=value", key)})
			continue
		}
		pairs[key] = value
	}
	all, err := read(confmap.Provider(pairs, ""), nil, func(key string) string { return "--set " + key })
	return append(faulty, all...), err
}

// read returns what a provider has, by the order of keys.
func read(p koanf.Provider, parser koanf.Parser, origin func(key string) string) ([]given, error) {
	k := koanf.New(delim)
	if err := k.Load(p, parser); err != nil {
		return nil, err
	}
	var all []given
	for _, key := range k.Keys() {
		all = append(all, given{key: key, value: k.Get(key), origin: origin(key)})
	}
	return all, nil
}
