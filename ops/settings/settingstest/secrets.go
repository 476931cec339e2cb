// Package settingstest holds configs against what they promise.
package settingstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"penstock/transport"
)

// secretive is what settings are called that are not to be seen.
var secretive = regexp.MustCompile(`password|secret|token|credential|(^|_)keys?$`)

// Secrets holds a config against its promise to show nothing: a setting whose name
// sounds like a secret is a [transport.Secret], or a file's name, or one of the
// open ones, which have to be there. The config, a pointer to a struct, is then
// filled with secrets, which neither it nor the faults of its Validate print.
func Secrets(t *testing.T, config interface{ Validate() error }, open ...string) {
	t.Helper()
	w := walk{t: t, open: map[string]bool{}}
	for _, key := range open {
		w.open[key] = false
	}
	v := reflect.ValueOf(config).Elem()
	w.visit("", v)
	for key, met := range w.open {
		if !met {
			t.Errorf("there is no setting %s to be open", key)
		}
	}
	if w.secrets == 0 {
		t.Error("it has no secret at all")
	}
	for _, section := range append(w.sections, v) {
		whole := section.Interface()
		for _, v := range []any{whole, &whole, struct{ inner any }{whole}} {
			if said := printed(t, v); strings.Contains(said, betrayed) {
				t.Errorf("a secret is printed: %s", said)
			}
		}
	}
	if err := config.Validate(); err != nil && strings.Contains(err.Error(), betrayed) {
		t.Errorf("a secret is in a fault: %v", err)
	}
}

// betrayed is in every secret of a config that is tested.
const betrayed = "hunter2"

// printed is v by every way a program writes something.
func printed(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	text, err := json.Marshal(v)
	var unsupported *json.UnsupportedTypeError
	if err != nil && !errors.As(err, &unsupported) { // a func, say: nobody writes that as JSON
		t.Fatal(err)
	}
	out.Write(text)
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "config", v)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "config", v)
	return out.String()
}

type walk struct {
	t       *testing.T
	open    map[string]bool // whether it was met
	secrets int
	// sections are all that there are: each is printed by itself.
	sections []reflect.Value
}

// visit checks a section's settings and fills its secrets.
func (w *walk) visit(section string, v reflect.Value) {
	w.t.Helper()
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("koanf"), ",")
		key := strings.TrimPrefix(section+"."+name, ".")
		switch {
		case !field.IsExported() || name == "-":
		case field.Type == reflect.TypeFor[transport.Secret]():
			value.Set(reflect.ValueOf(transport.NewSecret(betrayed + " of " + key)))
			w.secrets++
		case secretive.MatchString(name) && !strings.HasSuffix(name, "_file"):
			if _, ok := w.open[key]; !ok {
				w.t.Errorf("%s is a %s; make it a transport.Secret, or say why it may be seen", key, field.Type)
			}
			w.open[key] = true
		case field.Type.Kind() == reflect.Func && field.Type.NumOut() == 1 && field.Type.Out(0).Kind() == reflect.Struct: // of sections with names
			w.section(section, reflect.New(field.Type.Out(0)).Elem())
		case field.Type.Kind() == reflect.Struct:
			w.section(strings.TrimSuffix(key, "."), value)
		}
	}
}

func (w *walk) section(key string, v reflect.Value) {
	w.t.Helper()
	w.visit(key, v)
	w.sections = append(w.sections, v)
}
