package reference

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"penstock/ops/runbooks"
)

// Typed tries, without running any, all that runbooks have typed of a program: that
// it is a command below root with those flags and arguments, and that what it has
// with --set is a setting. It returns how many there are, and every fault. Root is
// made anew for each, since flags keep what they were given.
func Typed(root func() *cobra.Command, isSetting func(key string) bool) (tried int, faults []error) {
	steps, err := AllSteps()
	if err != nil {
		return 0, []error{err}
	}
	for _, s := range steps {
		words := s.Args()
		if s.Language != "sh" || words[0] != root().Name() {
			continue
		}
		tried++
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("%s: %q: %w", s.Runbook, s.Text, fmt.Errorf(format, args...)))
		}
		cmd, args, err := root().Find(words[1:])
		if err == nil && !cmd.Runnable() {
			fault("runs no command")
			continue
		}
		if err == nil {
			err = cmd.ParseFlags(args)
		}
		if err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
		if err != nil {
			fault("%w", err)
		}
		set, _ := cmd.Flags().GetStringArray("set")
		for _, setting := range set {
			if key, _, _ := strings.Cut(setting, "="); !isSetting(key) {
				fault("there is no setting %s", key)
			}
		}
	}
	return tried, faults
}

// NamedSettings tries the settings that runbooks name in their text and that are of
// a program, by their sections. It returns how many there are in all, and a fault
// for each that is none.
func NamedSettings(of func(section string) bool, isSetting func(key string) bool) (tried int, faults []error) {
	for _, r := range runbooks.All() {
		for _, key := range Settings(r) {
			tried++
			if section, _, _ := strings.Cut(key, "."); of(section) && !isSetting(key) {
				faults = append(faults, fmt.Errorf("%s: there is no setting %s", r.ID, key))
			}
		}
	}
	return tried, faults
}
