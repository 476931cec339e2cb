package tiering

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"penstock/tiering/store"
)

// FuzzManifest: what an object of the manifests' folder says is a manifest that the
// rest can rely on and that is written as it was read, or is refused.
func FuzzManifest(f *testing.F) {
	golden, err := os.ReadFile("testdata/manifest.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add([]byte(`{"format":1,"generations":[{"generation":1}],"last_generation":1}`))
	f.Add([]byte(`{"format":1,"generations":null,"retired_at":"2026-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := decodeManifest("key", body)
		if err != nil {
			return
		}
		if err := m.check(); err != nil {
			t.Fatal(err)
		}
		m.files()
		m.Rows()
		m.Bytes()
		first, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeManifest("key", first)
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second, err := again.encode(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s\nis written again as\n%s, %v", first, second, err)
		}
	})
}

// FuzzLease: whatever the lease says, it is taken by the next number, or is not.
func FuzzLease(f *testing.F) {
	f.Add([]byte(`{"fence":7,"holder":"a","nonce":"n","expires":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"fence":18446744073709551615,"expires":"0000-01-01T00:00:00Z"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		objects := new(store.Memory)
		if err := store.CreateBytes(t.Context(), objects, "lease", body); err != nil {
			t.Fatal(err)
		}
		l, err := takeLease(t.Context(), objects, "lease", "b", time.Minute, (&clock{today}).now)
		if err != nil {
			if l != nil || errors.Is(err, store.ErrExists) {
				t.Fatalf("%v with %v", l, err)
			}
			return
		}
		if l.held.Fence == 0 {
			t.Fatal("taken with fence 0, which is below every other")
		}
	})
}
