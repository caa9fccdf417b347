// The server API with gocent v3, the official library for Go: every method that it has, alone and in a pipe. Prints a line
// for each check and ends with 1 at the first that fails.
//
//	gocent URL KEY
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/centrifugal/gocent/v3"
)

func expect(what string, got, expected interface{}) {
	if !reflect.DeepEqual(got, expected) {
		fmt.Printf("%s: expected %v, got %v\n", what, expected, got)
		os.Exit(1)
	}
	fmt.Printf("%s ... ok\n", what)
}

func must(what string, err error) {
	if err != nil {
		fmt.Printf("%s: %v\n", what, err)
		os.Exit(1)
	}
}

// code is that of an error of the API, 0 without one.
func code(err error) int {
	var refused *gocent.Error
	if errors.As(err, &refused) {
		return refused.Code
	}
	return 0
}

func offsets(history gocent.HistoryResult) []uint64 {
	list := []uint64{}
	for _, publication := range history.Publications {
		list = append(list, publication.Offset)
	}
	return list
}

func main() {
	url, key := os.Args[1], os.Args[2]
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	client := gocent.New(gocent.Config{Addr: url, Key: key})
	data := []byte(`{"text":"<hello>"}`)
	channel := "hist:go"

	published, err := client.Publish(ctx, channel, data)
	must("publish", err)
	epoch := published.Epoch
	expect("publish", published.Offset, uint64(1))
	_, err = client.Publish(ctx, channel, data, gocent.WithSkipHistory(true))
	must("publish without history", err)
	broadcast, err := client.Broadcast(ctx, []string{channel, "nope:x"}, data)
	must("broadcast", err)
	expect("broadcast", broadcast.Responses[0].Result.Offset, uint64(2))
	expect("broadcast to an unknown namespace", broadcast.Responses[1].Error.Code, 102)

	history, err := client.History(ctx, channel, gocent.WithLimit(-1))
	must("history", err)
	expect("history", offsets(history), []uint64{1, 2})
	expect("data of history", string(history.Publications[0].Data), `{"text":"\u003chello\u003e"}`)
	since := gocent.WithSince(&gocent.StreamPosition{Offset: 2, Epoch: epoch})
	history, err = client.History(ctx, channel, gocent.WithLimit(1), since, gocent.WithReverse(true))
	must("history in reverse", err)
	expect("history in reverse", offsets(history), []uint64{1})
	history, err = client.History(ctx, channel)
	must("history without a limit", err)
	expect("history without a limit", [2]uint64{history.Offset, uint64(len(history.Publications))}, [2]uint64{2, 0})
	must("history_remove", client.HistoryRemove(ctx, channel))

	presence, err := client.Presence(ctx, "pres:room")
	must("presence", err)
	expect("presence", len(presence.Presence), 4)
	stats, err := client.PresenceStats(ctx, "pres:room")
	must("presence_stats", err)
	expect("presence_stats", [2]int32{stats.NumClients, stats.NumUsers}, [2]int32{4, 1})
	channels, err := client.Channels(ctx, gocent.WithPattern("pres:*"))
	must("channels", err)
	// The library reads a figure that servers since v4 give another name, so only the names are compared.
	_, isThere := channels.Channels["pres:room"]
	expect("channels", [2]interface{}{len(channels.Channels), isThere}, [2]interface{}{1, true})
	info, err := client.Info(ctx)
	must("info", err)
	expect("info", len(info.Nodes), 1)

	_, err = client.Presence(ctx, "plain:x")
	expect("presence where it is off", code(err), 108)
	_, err = client.Publish(ctx, "nope:x", data)
	expect("an unknown namespace", code(err), 102)
	_, err = client.Publish(ctx, "", data)
	expect("no channel", code(err), 107)

	pipe := client.Pipe()
	for at := 0; at < 500; at++ {
		must("pipe", pipe.AddPublish("hist:many", []byte(`"`+strings.Repeat("x", 1000)+`"`)))
	}
	replies, err := client.SendPipe(ctx, pipe)
	must("500 publishes in a pipe", err)
	expect("500 publishes in a pipe", len(replies), 500)

	must("subscribe", client.Subscribe(ctx, "plain:pushed", "42"))
	must("unsubscribe", client.Unsubscribe(ctx, "pres:room", "42"))
	bye := gocent.WithDisconnect(&gocent.Disconnect{Code: 4500, Reason: "bye"})
	must("disconnect", client.Disconnect(ctx, "42", bye))

	var refused gocent.ErrStatusCode
	_, err = gocent.New(gocent.Config{Addr: url, Key: "wrong"}).Info(ctx)
	expect("a wrong key", errors.As(err, &refused) && refused.Code == 401, true)
}
