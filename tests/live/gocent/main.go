// The server API from Go, in the form that gocent v3 uses: all commands to one address, one JSON object per line with a
// newline behind the last, the key as "Authorization: apikey KEY", fields of older servers among the parameters. Prints a
// line for each check and ends with 1 at the first that fails. It needs nothing but the standard library.
//
//	gocent URL KEY
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"
)

type object = map[string]interface{}

type command struct {
	Method string `json:"method"`
	Params object `json:"params"`
}

type reply struct {
	Error *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Result object `json:"result"`
}

var client = http.Client{Timeout: 20 * time.Second}

// send posts the commands and returns as many replies.
func send(url, key string, commands ...command) ([]reply, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body) // Ends each object with a newline.
	for _, one := range commands {
		if err := encoder.Encode(one); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequest(http.MethodPost, url, &body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "apikey "+key)
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	var replies []reply
	decoder := json.NewDecoder(response.Body)
	for decoder.More() {
		var one reply
		if err := decoder.Decode(&one); err != nil {
			return nil, err
		}
		replies = append(replies, one)
	}
	if len(replies) != len(commands) {
		return nil, fmt.Errorf("expected %d replies, got %d", len(commands), len(replies))
	}
	return replies, nil
}

func expect(what string, got, expected interface{}) {
	if !reflect.DeepEqual(got, expected) {
		fmt.Printf("%s: expected %v, got %v\n", what, expected, got)
		os.Exit(1)
	}
	fmt.Printf("%s ... ok\n", what)
}

// code is that of a reply's error, 0 for a result.
func code(one reply) int {
	if one.Error == nil {
		return 0
	}
	return one.Error.Code
}

func main() {
	url, key := os.Args[1], os.Args[2]
	must := func(commands ...command) []reply {
		replies, err := send(url, key, commands...)
		if err != nil {
			fmt.Printf("%v: %v\n", commands, err)
			os.Exit(1)
		}
		return replies
	}
	data := object{"text": "<hello>"}
	channel := "hist:go"

	published := must(command{"publish", object{"channel": channel, "data": data, "tags": object{"a": "b"}}})[0]
	epoch := published.Result["epoch"]
	expect("publish", published.Result, object{"offset": 1.0, "epoch": epoch})
	pipe := must(
		command{"publish", object{"channel": channel, "data": data, "skip_history": true}},
		command{"broadcast", object{"channels": []string{channel, "nope:x"}, "data": data}},
		command{"history", object{"channel": channel, "limit": -1}},
		command{"history", object{"channel": channel, "limit": 1, "since": object{"offset": 2, "epoch": epoch}, "reverse": true}},
		command{"history", object{"channel": channel}},
		command{"presence", object{"channel": "pres:room"}},
		command{"presence_stats", object{"channel": "pres:room"}},
		command{"channels", object{"pattern": "pres:*"}},
		command{"info", object{}},
		command{"history_remove", object{"channel": channel}},
		command{"presence", object{"channel": "plain:x"}},
		command{"publish", object{"channel": "nope:x", "data": data}},
		command{"publish", object{"channel": "", "data": data}},
	)
	codes := make([]int, len(pipe))
	for at, one := range pipe {
		codes[at] = code(one)
	}
	expect("errors of a pipe", codes, []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 108, 102, 107})
	responses := pipe[1].Result["responses"].([]interface{})
	expect("broadcast", responses, []interface{}{
		object{"result": object{"offset": 2.0, "epoch": epoch}},
		object{"error": object{"code": 102.0, "message": "unknown channel"}},
	})
	first := object{"data": data, "offset": 1.0, "tags": object{"a": "b"}}
	whole := object{"publications": []interface{}{first, object{"data": data, "offset": 2.0}}, "epoch": epoch, "offset": 2.0}
	expect("history", pipe[2].Result, whole)
	expect("history in reverse", pipe[3].Result["publications"], []interface{}{first})
	expect("history without a limit", pipe[4].Result["publications"], []interface{}{})
	expect("presence", len(pipe[5].Result["presence"].(object)), 4)
	expect("presence_stats", pipe[6].Result, object{"num_clients": 4.0, "num_users": 1.0})
	expect("channels", pipe[7].Result["channels"], object{"pres:room": object{"num_clients": 4.0}})
	expect("info", len(pipe[8].Result["nodes"].([]interface{})), 1)

	effects := must(
		command{"subscribe", object{"channel": "plain:pushed", "user": "42", "presence": false, "join_leave": false,
			"position": false, "recover": false, "recover_since": nil, "client": ""}},
		command{"unsubscribe", object{"channel": "pres:room", "user": "42", "client": ""}},
		command{"disconnect", object{"user": "42", "client": "", "ClientWhitelist": nil,
			"Disconnect": object{"code": 4500, "reason": "bye", "reconnect": false}}},
	)
	for at, name := range []string{"subscribe", "unsubscribe", "disconnect"} {
		expect(name, effects[at].Result, object{})
	}

	many := make([]command, 500)
	for at := range many {
		many[at] = command{"publish", object{"channel": "hist:many", "data": strings.Repeat("x", 1000)}}
	}
	replies := must(many...)
	expect("500 publishes in a pipe", replies[499].Result["offset"], 500.0)
	_, err := send(url, "wrong", command{"info", object{}})
	expect("a wrong key", fmt.Sprint(err), "status 401")
}
