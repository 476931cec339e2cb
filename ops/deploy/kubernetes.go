package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"go.yaml.in/yaml/v3"
)

// manifest is of a Kubernetes object what says how a program is started. That all
// the rest of it is as Kubernetes has it is for the chart's own tests.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Template struct {
			Spec struct {
				TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
				Containers                    []container
				Volumes                       []volume
			}
		}
	}
}

type container struct {
	Command, Args []string
	Env           []struct {
		Name, Value string
		ValueFrom   struct {
			SecretKeyRef struct{ Name string } `yaml:"secretKeyRef"`
		} `yaml:"valueFrom"`
	}
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	StartupProbe   *probe `yaml:"startupProbe"`
	LivenessProbe  *probe `yaml:"livenessProbe"`
	ReadinessProbe *probe `yaml:"readinessProbe"`
	Resources      struct{ Limits struct{ Memory string } }
	VolumeMounts   []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

type volume struct {
	Name      string
	ConfigMap struct{ Name string } `yaml:"configMap"`
	EmptyDir  *struct{}             `yaml:"emptyDir"`
	Secret    struct {
		Items []struct{ Path string }
	}
}

// kubernetes reads rendered manifests.
func kubernetes(file string) (found []Process, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []manifest
	for documents := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var m manifest
		if err := documents.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	configMaps := map[string]map[string]string{}
	for _, m := range all {
		if m.Kind == "ConfigMap" {
			configMaps[m.Metadata.Name] = m.Data
		}
	}
	for _, m := range all {
		spec := m.Spec.Template.Spec
		for _, c := range spec.Containers {
			p, err := c.process(spec.Volumes, configMaps)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.Metadata.Name, err)
			}
			p.From = m.Metadata.Name
			p.Grace = time.Duration(spec.TerminationGracePeriodSeconds) * time.Second
			found = append(found, p)
		}
	}
	return found, nil
}

func (c container) process(volumes []volume, configMaps map[string]map[string]string) (p Process, err error) {
	p = Process{Args: append([]string{path.Base(c.Command[0])}, c.Args...), Files: map[string]string{}}
	if p.Memory, err = size(c.Resources.Limits.Memory); err != nil {
		return p, err
	}
	for _, e := range c.Env {
		if e.ValueFrom.SecretKeyRef.Name != "" {
			e.Value = madeUp
		}
		p.Env = append(p.Env, e.Name+"="+e.Value)
	}
	ports := map[string]int{}
	for _, port := range c.Ports {
		ports[port.Name] = port.ContainerPort
		p.Ports = append(p.Ports, port.ContainerPort)
	}
	for _, probe := range []*probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if probe != nil {
			p.Probes = append(p.Probes, Probe{Path: probe.HTTPGet.Path, Port: ports[probe.HTTPGet.Port]})
		}
	}
	for _, mount := range c.VolumeMounts {
		for _, v := range volumes {
			if v.Name != mount.Name {
				continue
			}
			if v.EmptyDir != nil {
				p.Folders = append(p.Folders, mount.MountPath)
			}
			for name, text := range configMaps[v.ConfigMap.Name] {
				p.Files[path.Join(mount.MountPath, name)] = text
			}
			for _, item := range v.Secret.Items {
				p.Files[path.Join(mount.MountPath, item.Path)] = madeUp
			}
		}
	}
	return p, nil
}
