package helm

import (
	"slices"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// What one manifest says of another is so.
func TestReferences(t *testing.T) {
	forEach(t, func(t *testing.T, m manifests) {
		configMaps, accounts := map[string]bool{}, map[string]bool{"default": true}
		for _, c := range m.configMaps {
			configMaps[c.Name] = true
		}
		for _, a := range m.serviceAccounts {
			accounts[a.Name] = true
		}
		for name, pod := range m.pods() {
			if !accounts[pod.Spec.ServiceAccountName] {
				t.Errorf("%s: there is no account %s", name, pod.Spec.ServiceAccountName)
			}
			volumes := map[string]bool{}
			for _, v := range pod.Spec.Volumes {
				volumes[v.Name] = true
				if v.ConfigMap != nil && !configMaps[v.ConfigMap.Name] {
					t.Errorf("%s: there is no ConfigMap %s", name, v.ConfigMap.Name)
				}
			}
			var paths []string
			for _, mount := range pod.Spec.Containers[0].VolumeMounts {
				if !volumes[mount.Name] {
					t.Errorf("%s: there is no volume %s", name, mount.Name)
				}
				for _, path := range paths {
					if strings.HasPrefix(path+"/", mount.MountPath+"/") || strings.HasPrefix(mount.MountPath+"/", path+"/") {
						t.Errorf("%s: %s and %s are mounted one below the other; the upper one is read-only", name, path, mount.MountPath)
					}
				}
				paths = append(paths, mount.MountPath)
			}
			if len(volumes) != len(paths) {
				t.Errorf("%s: %d volumes, and %d are mounted", name, len(volumes), len(paths))
			}
		}
		chosen := func(what string, selector map[string]string) {
			t.Helper()
			n := 0
			for _, pod := range m.pods() {
				if labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%s: its selector chooses the pods of %d, want 1: %v", what, n, selector)
			}
		}
		for _, d := range m.deployments {
			chosen("deployment "+d.Name, d.Spec.Selector.MatchLabels)
			for _, spread := range d.Spec.Template.Spec.TopologySpreadConstraints {
				chosen("spread of "+d.Name, spread.LabelSelector.MatchLabels)
			}
		}
		ports := map[string][]string{} // of a service
		for _, s := range m.services {
			chosen("service "+s.Name, s.Spec.Selector)
			for name, pod := range m.pods() {
				if !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels)) {
					continue
				}
				for _, p := range s.Spec.Ports {
					ports[s.Name] = append(ports[s.Name], p.Name)
					i := slices.IndexFunc(pod.Spec.Containers[0].Ports, func(c core.ContainerPort) bool { return c.Name == p.TargetPort.StrVal })
					if i < 0 || pod.Spec.Containers[0].Ports[i].ContainerPort != p.Port {
						t.Errorf("service %s: %s has no port %s of %d", s.Name, name, p.TargetPort.StrVal, p.Port)
					}
				}
			}
		}
		for _, b := range m.budgets {
			chosen("budget "+b.Name, b.Spec.Selector.MatchLabels)
		}
		for _, p := range m.policies {
			chosen("policy "+p.Name, p.Spec.PodSelector.MatchLabels)
		}
		for _, monitor := range m.monitors {
			n := 0
			for _, s := range m.services {
				if labels.SelectorFromSet(monitor.Spec.Selector.MatchLabels).Matches(labels.Set(s.Labels)) {
					n++
					if !slices.Contains(ports[s.Name], monitor.Spec.Endpoints[0].Port) {
						t.Errorf("monitor %s: service %s has no port %s", monitor.Name, s.Name, monitor.Spec.Endpoints[0].Port)
					}
				}
			}
			if n != 1 {
				t.Errorf("monitor %s: its selector chooses %d services, want 1", monitor.Name, n)
			}
		}
	})
}
