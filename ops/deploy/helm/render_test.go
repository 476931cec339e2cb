package helm

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

var rewrite = flag.Bool("rewrite", false, "write what is rendered to testdata")

const chart = "penstock"

// examples are the values the chart is rendered with, by the names of their files.
var examples = []string{"minimal", "production"}

// values reads a file of them, with others that replace its own.
func values(t *testing.T, name string, others ...string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("values", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	for _, text := range append([]string{string(text)}, others...) {
		more := map[string]any{}
		if err := yaml.Unmarshal([]byte(text), &more); err != nil {
			t.Fatal(err)
		}
		all = util.MergeTables(more, all)
	}
	return all
}

// render returns what an install of the release penstock in the namespace
// telemetry makes, by template.
func render(ctx context.Context, values map[string]any) (map[string]string, error) {
	c, err := loader.Load(chart)
	if err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{Name: "penstock", Namespace: "telemetry", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, values, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.RenderWithContext(ctx, c, all)
}

// documents returns the rendered manifests, in the order of their templates.
func documents(t *testing.T, values map[string]any) []string {
	t.Helper()
	files, err := render(t.Context(), values)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range files {
		if strings.HasSuffix(name, ".yaml") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var all []string
	for _, name := range names {
		for _, document := range strings.Split("\n"+files[name], "\n---\n") {
			if document = strings.TrimSpace(document); document != "" {
				all = append(all, document)
			}
		}
	}
	return all
}

// What is rendered is what was looked at, and what the tests of the programs read.
func TestRendered(t *testing.T) {
	for _, name := range examples {
		got := strings.Join(documents(t, values(t, name)), "\n---\n") + "\n"
		golden := filepath.Join("testdata", name+".yaml")
		if *rewrite {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("values/%s.yaml renders to something else than %s; look at it, then: go test -rewrite", name, golden)
		}
	}
}

func TestLint(t *testing.T) {
	for _, name := range examples {
		l := lint.RunAll(chart, values(t, name), "telemetry")
		for _, m := range l.Messages {
			if m.Severity >= support.WarningSev {
				t.Errorf("%s: %v", name, m)
			}
		}
	}
}

// Whoever installs wants to hear of all that is missing at once, before a pod
// says so.
func TestFaultsOfValues(t *testing.T) {
	f := func(name, others string, want ...string) {
		t.Helper()
		var err error
		if name == "" {
			_, err = render(t.Context(), nil)
		} else {
			_, err = render(t.Context(), values(t, name, others))
		}
		if err == nil {
			t.Errorf("%s: rendered", others)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q is not in\n%v", w, err)
			}
		}
	}
	f("", "", "admin.tokenSecret.name is empty", "config.kafka.brokers is empty", "config.kafka.topic is empty", "config.clickhouse.addr is empty")
	f("minimal", "compactor: {enabled: true}", "compactor.config.clickhouse.addr is empty", "compactor.config.s3.bucket is empty")
	f("minimal", "config: {lanes: 3, memory: 1GiB, stop_timeout: 5s, admin: {addr: x}}",
		"config.lanes is the chart's to set; see ingest.cores", "config.memory is", "config.stop_timeout is", "config.admin is")
	f("minimal", "scale: {enabled: true, settings: {max: 3}}", "scale.settings.max is the chart's to set; see scale.max")
	f("minimal", "scale: {enabled: true, min: 9}", "scale.min is 9 and scale.max 8")
	f("minimal", "scale: {enabled: true}\nconfig: {streams: {a: {}, b: {}}}", "scale is enabled and config.streams has several")
	f("minimal", "watch: {settings: {addr: x}}", "watch.settings.addr is the chart's to set")
	f("minimal", "ingest: {core: 3}", "core")
	f("minimal", "ingest: {cores: 0.5}", "cores")
	f("minimal", "ingest: {secretFiles: [admin]}", "secretFiles")
	f("minimal", "ingest: {secretEnv: {PASSWORD: {name: x}}}", "key")
}

// A node that may use so many cores and so much memory is told so, in all the
// places where it matters.
func TestResourcesAgree(t *testing.T) {
	f := func(others string, want ...string) {
		t.Helper()
		all := strings.Join(documents(t, values(t, "minimal", others)), "\n")
		for _, w := range want {
			if !strings.Contains(all, w) {
				t.Errorf("%s: %q is not among what is rendered", others, w)
			}
		}
	}
	f("ingest: {cores: 5, memory: 1280, stopTimeout: 45, cpuLimit: true}",
		"lanes: 3", "memory: 1280MiB", "stop_timeout: 45s", "terminationGracePeriodSeconds: 55", "cpu: 5", "memory: 1600Mi",
		"- name: GOMAXPROCS\n              value: \"5\"")
	f("compactor: {enabled: true, cores: 3, memory: 2048, config: {clickhouse: {addr: 'c:9000'}, s3: {bucket: b}}}",
		"max_memory: 2048MiB", "memory: 2560Mi", "- name: GOMAXPROCS\n              value: \"3\"")
	f("image: {tag: v1}", fmt.Sprintf("image: %s:v1\n", "penstock/penstock"))
}
