// Package keda answers KEDA, the autoscaler of Kubernetes, as an external scaler:
// https://keda.sh/docs/latest/concepts/external-scalers. KEDA has the replicas be
// the value of a metric over its target, rounded up; here the value is how many nodes
// there should be, and the target is 1.
package keda

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative externalscaler.proto

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"penstock/ops/scaling"
)

// Metric is the only one there is.
const Metric = "penstock-nodes"

// Watcher is what knows how many nodes there should be.
type Watcher interface {
	Last() scaling.State
}

// Register has a server answer by what the watcher knows. Streams say whether the
// group is active every so often.
func Register(s *grpc.Server, w Watcher, every time.Duration) {
	RegisterExternalScalerServer(s, &server{watcher: w, every: every})
}

type server struct {
	UnimplementedExternalScalerServer
	watcher Watcher
	every   time.Duration
}

// IsActive always says yes: with no node nothing tells how far behind it is, so the
// group is never scaled to none.
func (s *server) IsActive(context.Context, *ScaledObjectRef) (*IsActiveResponse, error) {
	return &IsActiveResponse{Result: true}, nil
}

// StreamIsActive says so again and again, so that a connection that is broken is
// noticed.
func (s *server) StreamIsActive(_ *ScaledObjectRef, stream grpc.ServerStreamingServer[IsActiveResponse]) error {
	turn := time.NewTicker(s.every)
	defer turn.Stop()
	for {
		if err := stream.Send(&IsActiveResponse{Result: true}); err != nil {
			return err
		}
		select {
		case <-stream.Context().Done():
			return nil
		case <-turn.C:
		}
	}
}

func (s *server) GetMetricSpec(context.Context, *ScaledObjectRef) (*GetMetricSpecResponse, error) {
	return &GetMetricSpecResponse{MetricSpecs: []*MetricSpec{{MetricName: Metric, TargetSize: 1, TargetSizeFloat: 1}}}, nil
}

// GetMetrics returns how many nodes there should be. Before that is known it is an
// error, upon which KEDA leaves the number as it is.
func (s *server) GetMetrics(_ context.Context, r *GetMetricsRequest) (*GetMetricsResponse, error) {
	if name := r.GetMetricName(); name != Metric {
		return nil, status.Error(codes.InvalidArgument, fmt.Sprintf("metric %q; there is only %s", name, Metric))
	}
	last := s.watcher.Last()
	if last.Nodes == 0 {
		return nil, status.Error(codes.Unavailable, "how many nodes there should be is not known yet: "+cmp.Or(last.Problem, last.Reason))
	}
	return &GetMetricsResponse{MetricValues: []*MetricValue{{MetricName: Metric, MetricValue: int64(last.Nodes), MetricValueFloat: float64(last.Nodes)}}}, nil
}
