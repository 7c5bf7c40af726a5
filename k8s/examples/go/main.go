// Calls Pointsman: a few decisions, an answer, a stream, and a refusal with what is said of it. One line of JSON for each.
//
//	make && ./call dns:///pointsman-headless.pointsman.svc.cluster.local:50051
//
// Both in this folder; make needs Go and protoc. POINTSMAN_API_KEY is sent where it is set. CONFIGS names the folder of the service configs, if not the
// one above. Without TLS, as in a mesh; otherwise credentials.NewTLS.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // without it healthCheckConfig does nothing
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "pointsman-example/pointsman/v1"
)

const largest = 16 << 20 // longer requests would not be tried again

// client returns a stub by one of the service configs. gRPC's policies are by method, so calls with an idempotency key, which may be
// tried again, go by one of their own.
func client(target, config string) pb.RouterServiceClient {
	text, err := os.ReadFile(filepath.Join(cmp.Or(os.Getenv("CONFIGS"), ".."), config))
	if err != nil {
		log.Fatal(err)
	}
	connection, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(string(text)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxRetryRPCBufferSize(largest), grpc.MaxCallSendMsgSize(largest), grpc.MaxCallRecvMsgSize(8<<20)),
	)
	if err != nil {
		log.Fatal(err)
	}
	return pb.NewRouterServiceClient(connection)
}

// within returns the context of a call: its deadline, who calls, and pairs of metadata.
func within(limit time.Duration, pairs ...string) (context.Context, context.CancelFunc) {
	if key := os.Getenv("POINTSMAN_API_KEY"); key != "" {
		pairs = append(pairs, "authorization", "Bearer "+key)
	}
	return context.WithTimeout(metadata.AppendToOutgoingContext(context.Background(), pairs...), limit)
}

func request(text string, tags ...string) *pb.Request {
	return &pb.Request{Prompt: &pb.Prompt{Text: text}, Requirements: &pb.Requirements{Tags: tags}}
}

func say(line map[string]any) {
	text, err := json.Marshal(line)
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(append(text, '\n'))
}

func route(client pb.RouterServiceClient, text string) {
	ctx, cancel := within(2 * time.Second)
	defer cancel()
	response, err := client.Route(ctx, &pb.RouteRequest{Request: request(text)})
	if err != nil {
		log.Fatal(err)
	}
	decision := response.Decision
	say(map[string]any{"call": "Route", "model": decision.Chosen.Model, "rule": decision.Rule.Id, "reason": decision.Reason.String(),
		"nanoUsd": decision.Chosen.ExpectedCost.NanoUsd})
}

func complete(client pb.RouterServiceClient, text, key string) {
	ctx, cancel := within(time.Minute, "idempotency-key", key)
	defer cancel()
	response, err := client.Complete(ctx, &pb.CompleteRequest{Request: request(text)})
	if err != nil {
		log.Fatal(err)
	}
	completion := response.Completion
	say(map[string]any{"call": "Complete", "model": completion.Model, "text": completion.Message.Text, "cache": completion.CacheStatus.String()})
}

func stream(client pb.RouterServiceClient, text string) {
	ctx, cancel := within(time.Minute)
	defer cancel()
	events, err := client.StreamComplete(ctx, &pb.StreamCompleteRequest{Request: request(text)})
	if err != nil {
		log.Fatal(err)
	}
	pieces, whole := 0, ""
	for {
		event, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		if delta := event.GetDelta(); delta != nil {
			pieces, whole = pieces+1, whole+delta.GetText()
		}
		if completion := event.GetCompletion(); completion != nil {
			say(map[string]any{"call": "StreamComplete", "pieces": pieces, "text": whole, "finish": completion.FinishReason.String()})
		}
	}
}

// refused shows what a status says beyond its code.
func refused(client pb.RouterServiceClient, text string) {
	ctx, cancel := within(2 * time.Second)
	defer cancel()
	_, err := client.Route(ctx, &pb.RouteRequest{Request: request(text, "mars")})
	found := status.Convert(err)
	for _, detail := range found.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			say(map[string]any{"call": "refused", "code": found.Code().String(), "message": found.Message(), "reason": info.Reason,
				"domain": info.Domain, "counts": info.Metadata})
		}
	}
}

func main() {
	target := "127.0.0.1:50051"
	if len(os.Args) > 1 {
		target = os.Args[1]
	}
	plain, keyed := client(target, "service-config.json"), client(target, "service-config-keyed.json")
	for _, text := range []string{"What is 17 * 23?", "Write a haiku about rain.", "Prove that there is no largest prime."} {
		route(plain, text)
	}
	key := rand.Text()
	for range 2 {
		complete(keyed, "What is 17 * 23?", key)
	}
	stream(plain, "Describe a railway junction.")
	refused(plain, "What is 17 * 23?")
}
