package transport

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// hidden is printed for a secret.
const hidden = "***"

// Secret is a text that is not to be seen: a password, a token. It is given as
// itself, or as the file that holds it, which is read whenever the secret is
// needed; so what is replaced there is used with the next connection. However it
// is printed, logged or encoded, it says *** for what it is. The zero value is none.
//
// Settings take the file by the same key with _file: password_file.
type Secret struct {
	// text is a pointer, since fmt calls no method of what is in another's
	// unexported field: it then prints an address.
	text *string
	file string
}

// NewSecret returns a secret that is given as itself; none if it is empty.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// SecretFile returns a secret that is read from a file.
func SecretFile(path string) Secret { return Secret{file: path} }

// Given says whether there is one.
func (s Secret) Given() bool { return s.text != nil || s.file != "" }

// Same says whether both are given in the same way, and are the same text or file.
func (s Secret) Same(other Secret) bool {
	if s.text == nil || other.text == nil {
		return s == other
	}
	return *s.text == *other.text
}

// Renewable says whether it may be another the next time it is needed.
func (s Secret) Renewable() bool { return s.file != "" }

// Reveal returns the secret, of a file without the end of its line; "" if there is
// none. The error names the file.
func (s Secret) Reveal() (string, error) {
	switch {
	case s.text != nil:
		return *s.text, nil
	case s.file == "":
		return "", nil
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("secret: %w", fmt.Errorf("%s is empty", s.file))
	}
	return secret, nil
}

// Validate reports a file that cannot be read. The key is the secret's own.
func (s Secret) Validate(key string) error {
	if _, err := s.Reveal(); err != nil {
		return fmt.Errorf("%s_file cannot be used: %w", key, errors.Unwrap(err))
	}
	return nil
}

// UnmarshalText takes the secret itself.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// FromFile takes the secret's file; "" is none.
func (s *Secret) FromFile(path string) { *s = SecretFile(path) }

// String says whether there is a secret.
func (s Secret) String() string {
	if !s.Given() {
		return ""
	}
	return hidden
}

// Format writes what String says by every verb; %#v and %d would show the fields.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is the secret in a log.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is the secret in JSON, YAML and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
