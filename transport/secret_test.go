package transport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// printed is v by every way a program writes something.
func printed(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "config", v)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "config", v)
	return out.String()
}

func TestSecretIsHidden(t *testing.T) {
	const secret = "hunter2"
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	type config struct {
		Password Secret
		Users    map[string]Secret
		inner    *Secret
		hidden   Secret
	}
	s := NewSecret(secret)
	for _, v := range []any{s, &s, SecretFile(file), config{Password: s, Users: map[string]Secret{"a": s}, inner: &s, hidden: s}} {
		if out := printed(t, v); strings.Contains(out, secret) || strings.Contains(out, fmt.Sprintf("%x", secret)) || !strings.Contains(out, hidden) {
			t.Errorf("a secret is printed, or nothing for it:\n%s", out)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if out := fmt.Sprintf(verb, s); out != hidden {
			t.Errorf("%s prints a secret as %s", verb, out)
		}
	}
	if out := fmt.Sprintf("%v", Secret{}); out != "" {
		t.Errorf("no secret is printed as %q", out)
	}
}

func TestReveal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	f := func(s Secret, want, fault string) {
		t.Helper()
		got, err := s.Reveal()
		if got != want || (err == nil) != (fault == "") || err != nil && !strings.Contains(s.Validate("kafka.sasl.password").Error(), fault) {
			t.Errorf("%q, %v; want %q, %q", got, err, want, fault)
		}
	}
	f(Secret{}, "", "")
	f(NewSecret(""), "", "")
	f(NewSecret(" as it is \n"), " as it is \n", "")
	f(SecretFile(file), "", "kafka.sasl.password_file cannot be used: open "+file)
	for text, want := range map[string]string{"one": "one", "two\n": "two", "three \r\n": "three "} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f(SecretFile(file), want, "")
	}
	if err := os.WriteFile(file, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f(SecretFile(file), "", file+" is empty")
}
