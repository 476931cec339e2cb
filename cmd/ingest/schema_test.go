package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/schema"
)

// Whoever builds a device's firmware has neither a node's config nor its servers.
func TestSchemaProto(t *testing.T) {
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := command(&out)
		cmd.SetArgs(append([]string{"schema", "proto"}, args...))
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	if got, err := run(); err != nil || got != schema.Telemetry().Proto() {
		t.Errorf("got %v and\n%s", err, got)
	}
	file := filepath.Join(t.TempDir(), "fleet.yaml")
	text, err := os.ReadFile("../../schema/telemetry.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "name: telemetry", "name: fleet", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := run("--config", write(t, least+"schema: "+file+"\n")); err != nil || !strings.Contains(got, "message Fleet {") {
		t.Errorf("got %v and\n%s", err, got)
	}
	if _, err := run("--set", "schema=/does/not/exist.yaml"); err == nil || !strings.Contains(err.Error(), "/does/not/exist.yaml") {
		t.Errorf("got %v", err)
	}
	if _, err := run("--set", "schem=x"); err == nil || !strings.Contains(err.Error(), "schem is not a setting") {
		t.Errorf("got %v", err)
	}
}

func TestSchemaAvro(t *testing.T) {
	var out bytes.Buffer
	cmd := command(&out)
	cmd.SetArgs([]string{"schema", "avro"})
	if err := cmd.ExecuteContext(t.Context()); err != nil || out.String() != schema.Telemetry().Avro() {
		t.Errorf("got %v and\n%s", err, out.String())
	}
}
