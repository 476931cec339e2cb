package keda

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"penstock/ops/scaling"
)

type known scaling.State

func (k *known) Last() scaling.State { return scaling.State(*k) }

// KEDA asks for the metric, gets it once it is known, and is told again and again
// that the group is active.
func TestServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	state := &known{Problem: scaling.NotYet}
	server := grpc.NewServer()
	Register(server, state, 10*time.Millisecond)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	client := NewExternalScalerClient(conn)
	object := &ScaledObjectRef{Name: "ingest", Namespace: "telemetry"}
	spec, err := client.GetMetricSpec(t.Context(), object)
	if err != nil || len(spec.MetricSpecs) != 1 || spec.MetricSpecs[0].TargetSizeFloat != 1 {
		t.Fatalf("%v, %v", spec, err)
	}
	ask := func(metric string) (*GetMetricsResponse, error) {
		return client.GetMetrics(t.Context(), &GetMetricsRequest{ScaledObjectRef: object, MetricName: metric})
	}
	if _, err := ask(Metric); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), scaling.NotYet) {
		t.Errorf("before anything is known: %v", err)
	}
	state.Nodes = 7
	if got, err := ask(spec.MetricSpecs[0].MetricName); err != nil || got.MetricValues[0].MetricValueFloat != 7 || got.MetricValues[0].MetricValue != 7 {
		t.Errorf("%v, %v; want 7", got, err)
	}
	if _, err := ask("lag"); status.Code(err) != codes.InvalidArgument {
		t.Errorf("another metric: %v", err)
	}
	if active, err := client.IsActive(t.Context(), object); err != nil || !active.Result {
		t.Errorf("%v, %v", active, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stream, err := client.StreamIsActive(ctx, object)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if active, err := stream.Recv(); err != nil || !active.Result {
			t.Errorf("%v, %v", active, err)
		}
	}
	stop()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	server.GracefulStop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
