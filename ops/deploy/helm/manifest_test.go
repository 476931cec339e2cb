package helm

import (
	"errors"
	"slices"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// manifests is what is rendered, as the types of Kubernetes have it.
type manifests struct {
	deployments     []apps.Deployment
	jobs            []batch.Job
	services        []core.Service
	configMaps      []core.ConfigMap
	serviceAccounts []core.ServiceAccount
	budgets         []policy.PodDisruptionBudget
	policies        []networking.NetworkPolicy
	monitors        []monitoring.ServiceMonitor
	scaled          []map[string]any
}

// parse decodes every document strictly: a field that the type does not have is a
// fault, as is a kind that is not looked at here.
func parse(t *testing.T, values map[string]any) manifests {
	t.Helper()
	var all manifests
	for _, text := range documents(t, values) {
		var kind meta.TypeMeta
		if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		var err error
		switch kind.APIVersion + " " + kind.Kind {
		case "apps/v1 Deployment":
			all.deployments, err = decoded(all.deployments, text)
		case "batch/v1 Job":
			all.jobs, err = decoded(all.jobs, text)
		case "v1 Service":
			all.services, err = decoded(all.services, text)
		case "v1 ConfigMap":
			all.configMaps, err = decoded(all.configMaps, text)
		case "v1 ServiceAccount":
			all.serviceAccounts, err = decoded(all.serviceAccounts, text)
		case "policy/v1 PodDisruptionBudget":
			all.budgets, err = decoded(all.budgets, text)
		case "networking.k8s.io/v1 NetworkPolicy":
			all.policies, err = decoded(all.policies, text)
		case "monitoring.coreos.com/v1 ServiceMonitor":
			all.monitors, err = decoded(all.monitors, text)
		case "keda.sh/v1alpha1 ScaledObject":
			all.scaled, err = decoded(all.scaled, text)
		default:
			err = errors.New("of a kind that no type is known of")
		}
		if err != nil {
			t.Errorf("%s: %v in\n%s", kind.Kind, err, text)
		}
	}
	return all
}

func decoded[T any](all []T, text string) ([]T, error) {
	var one T
	err := yaml.UnmarshalStrict([]byte(text), &one)
	return append(all, one), err
}

// pods returns the templates of pods, by the name of what has them.
func (m manifests) pods() map[string]core.PodTemplateSpec {
	all := map[string]core.PodTemplateSpec{}
	for _, d := range m.deployments {
		all[d.Name] = d.Spec.Template
	}
	for _, j := range m.jobs {
		all[j.Name] = j.Spec.Template
	}
	return all
}

// everything has each part on, beside the two examples.
const everything = "scale: {enabled: true}\nserviceMonitor: {enabled: true}\nnetworkPolicy: {enabled: true}\ncompactor: {enabled: true, replicas: 2, config: {clickhouse: {addr: 'c:9000'}, s3: {bucket: b}}}\ningest: {secretFiles: [kafka-tls]}"

func forEach(t *testing.T, check func(t *testing.T, m manifests)) {
	t.Helper()
	for _, name := range examples {
		t.Run(name, func(t *testing.T) { check(t, parse(t, values(t, name))) })
	}
	t.Run("everything", func(t *testing.T) { check(t, parse(t, values(t, "minimal", everything))) })
}

// What no pod may do, it may not do in any of them; and what would keep a program
// from starting is not there.
func TestPodsAreRestricted(t *testing.T) {
	forEach(t, func(t *testing.T, m manifests) {
		for name, pod := range m.pods() {
			s, c := pod.Spec, pod.Spec.Containers[0]
			check := func(ok bool, what string) {
				t.Helper()
				if !ok {
					t.Errorf("%s: %s", name, what)
				}
			}
			check(len(s.Containers) == 1 && len(s.InitContainers) == 0, "want one container")
			check(s.SecurityContext.RunAsNonRoot != nil && *s.SecurityContext.RunAsNonRoot, "may run as root")
			check(s.SecurityContext.SeccompProfile.Type == core.SeccompProfileTypeRuntimeDefault, "has no seccomp profile")
			check(s.AutomountServiceAccountToken != nil && !*s.AutomountServiceAccountToken, "has a token for Kubernetes")
			check(s.EnableServiceLinks != nil && !*s.EnableServiceLinks, "gets variables of services, such as PENSTOCK_INGEST_SERVICE_HOST, which is no setting")
			check(c.SecurityContext.ReadOnlyRootFilesystem != nil && *c.SecurityContext.ReadOnlyRootFilesystem, "may write to its root")
			check(c.SecurityContext.AllowPrivilegeEscalation != nil && !*c.SecurityContext.AllowPrivilegeEscalation, "may gain privileges")
			check(slices.Equal(c.SecurityContext.Capabilities.Drop, []core.Capability{"ALL"}), "keeps capabilities")
			check(!c.Resources.Limits.Memory().IsZero() && !c.Resources.Requests.Cpu().IsZero(), "has no bound of memory, or asks for no CPU")
			if slices.ContainsFunc(m.jobs, func(j batch.Job) bool { return j.Name == name }) {
				continue // nobody asks a Job whether it is ready
			}
			for what, probe := range map[string]*core.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
				if probe == nil {
					t.Errorf("%s: no %s probe", name, what)
					continue
				}
				check(slices.ContainsFunc(c.Ports, func(p core.ContainerPort) bool { return p.Name == probe.HTTPGet.Port.StrVal }), "its "+what+" probe asks at a port that is not there")
			}
		}
	})
}

// Each policy lets in those who have to ask, and nobody for whom nothing is said.
func TestPolicies(t *testing.T) {
	f := func(others, name string, from ...int) {
		t.Helper()
		for _, p := range parse(t, values(t, "minimal", everything, others)).policies {
			if p.Name != "penstock-"+name {
				continue
			}
			var got []int
			for _, rule := range p.Spec.Ingress {
				if len(rule.From) == 0 {
					t.Errorf("%s: %s lets everybody in", others, name)
				}
				got = append(got, len(rule.From))
			}
			if !slices.Equal(got, from) {
				t.Errorf("%s: %s lets %v peers in, want %v", others, name, got, from)
			}
			return
		}
		t.Errorf("%s: there is no policy for %s", others, name)
	}
	const one = "[{podSelector: {}}]"
	f("", "ingest", 2) // scale and watch
	f("networkPolicy: {prometheus: "+one+"}", "ingest", 3)
	f("", "watch")
	f("networkPolicy: {people: "+one+"}", "watch", 1)
	f("networkPolicy: {prometheus: "+one+", people: "+one+"}", "watch", 2)
	f("", "scale")
	f("networkPolicy: {keda: "+one+"}", "scale", 1)
	f("networkPolicy: {keda: "+one+", prometheus: "+one+"}", "scale", 1, 1)
	f("", "compactor")
	f("networkPolicy: {prometheus: "+one+"}", "compactor", 1)
}
