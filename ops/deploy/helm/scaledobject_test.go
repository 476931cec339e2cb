package helm

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	// KEDA's module has the definition of a ScaledObject, and this keeps it among
	// what is required. Its Go types come with all of controller-runtime.
	_ "github.com/kedacore/keda/v2/version"
	"github.com/santhosh-tekuri/jsonschema/v6"
	apps "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

// The ScaledObject is what KEDA's own definition says, and names what is there.
func TestScaledObject(t *testing.T) {
	definition := scaledObjectDefinition(t)
	m := parse(t, values(t, "minimal", everything))
	if len(m.scaled) != 1 {
		t.Fatalf("%d of them, want 1", len(m.scaled))
	}
	if err := definition.Validate(m.scaled[0]); err != nil {
		t.Error(err)
	}
	text, err := json.Marshal(m.scaled[0]["spec"])
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		ScaleTargetRef struct{ Name string }
		Triggers       []struct {
			Type     string
			Metadata map[string]string
		}
	}
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(m.deployments, func(d apps.Deployment) bool { return d.Name == spec.ScaleTargetRef.Name })
	if i < 0 {
		t.Fatalf("there is no deployment %s to scale", spec.ScaleTargetRef.Name)
	}
	if m.deployments[i].Spec.Replicas != nil {
		t.Error("the deployment has replicas, which each upgrade would set back")
	}
	want := "penstock-scale.telemetry:9466"
	if len(spec.Triggers) != 1 || spec.Triggers[0].Type != "external" || spec.Triggers[0].Metadata["scalerAddress"] != want {
		t.Errorf("it asks %+v, want external at %s", spec.Triggers, want)
	}
	unknown := maps.Clone(m.scaled[0])
	unknown["spec"] = map[string]any{"scaleTargetRef": map[string]any{"name": "x"}, "triggers": []any{}, "minReplicas": 1}
	if definition.Validate(unknown) == nil {
		t.Error("a field that does not exist passes the definition")
	}
}

// scaledObjectDefinition returns KEDA's schema of it, made strict: Kubernetes drops
// what a definition does not know without a word.
func scaledObjectDefinition(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/kedacore/keda/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "config", "crd", "bases", "keda.sh_scaledobjects.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema map[string]any }
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	definition := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	definition["properties"].(map[string]any)["metadata"] = map[string]any{"type": "object", "additionalProperties": true}
	strict(definition)
	c := jsonschema.NewCompiler()
	if err := c.AddResource("scaledobject.json", definition); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("scaledobject.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// strict forbids what an object's schema does not name.
func strict(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		if _, named := s["properties"].(map[string]any); named && s["additionalProperties"] == nil {
			s["additionalProperties"] = false
		}
		for _, below := range s {
			strict(below)
		}
	case []any:
		for _, below := range s {
			strict(below)
		}
	}
}
