// Made from proto/client.proto by `make proto`; do not edit.

use super::json::Object;
use super::json_read::member;
use super::json_write::Writer;
use super::client::*;
use serde::de::MapAccess;

impl Object for Command {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "id" => member(map, &mut self.id),
            "connect" => member(map, &mut self.connect),
            "subscribe" => member(map, &mut self.subscribe),
            "unsubscribe" => member(map, &mut self.unsubscribe),
            "publish" => member(map, &mut self.publish),
            "presence" => member(map, &mut self.presence),
            "presence_stats" => member(map, &mut self.presence_stats),
            "history" => member(map, &mut self.history),
            "ping" => member(map, &mut self.ping),
            "send" => member(map, &mut self.send),
            "rpc" => member(map, &mut self.rpc),
            "refresh" => member(map, &mut self.refresh),
            "sub_refresh" => member(map, &mut self.sub_refresh),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("id", &self.id);
        out.member("connect", &self.connect);
        out.member("subscribe", &self.subscribe);
        out.member("unsubscribe", &self.unsubscribe);
        out.member("publish", &self.publish);
        out.member("presence", &self.presence);
        out.member("presence_stats", &self.presence_stats);
        out.member("history", &self.history);
        out.member("ping", &self.ping);
        out.member("send", &self.send);
        out.member("rpc", &self.rpc);
        out.member("refresh", &self.refresh);
        out.member("sub_refresh", &self.sub_refresh);
    }
}

impl Object for Reply {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "id" => member(map, &mut self.id),
            "error" => member(map, &mut self.error),
            "push" => member(map, &mut self.push),
            "connect" => member(map, &mut self.connect),
            "subscribe" => member(map, &mut self.subscribe),
            "unsubscribe" => member(map, &mut self.unsubscribe),
            "publish" => member(map, &mut self.publish),
            "presence" => member(map, &mut self.presence),
            "presence_stats" => member(map, &mut self.presence_stats),
            "history" => member(map, &mut self.history),
            "ping" => member(map, &mut self.ping),
            "rpc" => member(map, &mut self.rpc),
            "refresh" => member(map, &mut self.refresh),
            "sub_refresh" => member(map, &mut self.sub_refresh),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("id", &self.id);
        out.member("error", &self.error);
        out.member("push", &self.push);
        out.member("connect", &self.connect);
        out.member("subscribe", &self.subscribe);
        out.member("unsubscribe", &self.unsubscribe);
        out.member("publish", &self.publish);
        out.member("presence", &self.presence);
        out.member("presence_stats", &self.presence_stats);
        out.member("history", &self.history);
        out.member("ping", &self.ping);
        out.member("rpc", &self.rpc);
        out.member("refresh", &self.refresh);
        out.member("sub_refresh", &self.sub_refresh);
    }
}

impl Object for Error {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "code" => member(map, &mut self.code),
            "message" => member(map, &mut self.message),
            "temporary" => member(map, &mut self.temporary),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("code", &self.code);
        out.member("message", &self.message);
        out.member("temporary", &self.temporary);
    }
}

impl Object for Push {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "id" => member(map, &mut self.id),
            "channel" => member(map, &mut self.channel),
            "pub" => member(map, &mut self.r#pub),
            "join" => member(map, &mut self.join),
            "leave" => member(map, &mut self.leave),
            "unsubscribe" => member(map, &mut self.unsubscribe),
            "message" => member(map, &mut self.message),
            "subscribe" => member(map, &mut self.subscribe),
            "connect" => member(map, &mut self.connect),
            "disconnect" => member(map, &mut self.disconnect),
            "refresh" => member(map, &mut self.refresh),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("id", &self.id);
        out.member("channel", &self.channel);
        out.member("pub", &self.r#pub);
        out.member("join", &self.join);
        out.member("leave", &self.leave);
        out.member("unsubscribe", &self.unsubscribe);
        out.member("message", &self.message);
        out.member("subscribe", &self.subscribe);
        out.member("connect", &self.connect);
        out.member("disconnect", &self.disconnect);
        out.member("refresh", &self.refresh);
    }
}

impl Object for EmulationRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "node" => member(map, &mut self.node),
            "session" => member(map, &mut self.session),
            "data" => member(map, &mut self.data),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("node", &self.node);
        out.member("session", &self.session);
        out.member("data", &self.data);
    }
}

impl Object for ClientInfo {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "user" => member(map, &mut self.user),
            "client" => member(map, &mut self.client),
            "conn_info" => member(map, &mut self.conn_info),
            "chan_info" => member(map, &mut self.chan_info),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member_always("user", &self.user);
        out.member_always("client", &self.client);
        out.member("conn_info", &self.conn_info);
        out.member("chan_info", &self.chan_info);
    }
}

impl Object for Publication {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "data" => member(map, &mut self.data),
            "info" => member(map, &mut self.info),
            "offset" => member(map, &mut self.offset),
            "tags" => member(map, &mut self.tags),
            "delta" => member(map, &mut self.delta),
            "time" => member(map, &mut self.time),
            "channel" => member(map, &mut self.channel),
            "key" => member(map, &mut self.key),
            "removed" => member(map, &mut self.removed),
            "score" => member(map, &mut self.score),
            "epoch" => member(map, &mut self.epoch),
            "prev_data" => member(map, &mut self.prev_data),
            "version" => member(map, &mut self.version),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("data", &self.data);
        out.member("info", &self.info);
        out.member("offset", &self.offset);
        out.member("tags", &self.tags);
        out.member("delta", &self.delta);
        out.member("time", &self.time);
        out.member("channel", &self.channel);
        out.member("key", &self.key);
        out.member("removed", &self.removed);
        out.member("score", &self.score);
        out.member("epoch", &self.epoch);
        out.member("prev_data", &self.prev_data);
        out.member("version", &self.version);
    }
}

impl Object for StreamPosition {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "offset" => member(map, &mut self.offset),
            "epoch" => member(map, &mut self.epoch),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("offset", &self.offset);
        out.member("epoch", &self.epoch);
    }
}

impl Object for FilterNode {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "op" => member(map, &mut self.op),
            "key" => member(map, &mut self.key),
            "cmp" => member(map, &mut self.cmp),
            "val" => member(map, &mut self.val),
            "vals" => member(map, &mut self.vals),
            "nodes" => member(map, &mut self.nodes),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("op", &self.op);
        out.member("key", &self.key);
        out.member("cmp", &self.cmp);
        out.member("val", &self.val);
        out.member("vals", &self.vals);
        out.member("nodes", &self.nodes);
    }
}

impl Object for KeyedItem {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "key" => member(map, &mut self.key),
            "version" => member(map, &mut self.version),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("key", &self.key);
        out.member("version", &self.version);
    }
}

impl Object for TrackBatch {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "signature" => member(map, &mut self.signature),
            "items" => member(map, &mut self.items),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("signature", &self.signature);
        out.member("items", &self.items);
    }
}

impl Object for ConnectRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "token" => member(map, &mut self.token),
            "data" => member(map, &mut self.data),
            "subs" => member(map, &mut self.subs),
            "name" => member(map, &mut self.name),
            "version" => member(map, &mut self.version),
            "headers" => member(map, &mut self.headers),
            "flag" => member(map, &mut self.flag),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("token", &self.token);
        out.member("data", &self.data);
        out.member("subs", &self.subs);
        out.member("name", &self.name);
        out.member("version", &self.version);
        out.member("headers", &self.headers);
        out.member("flag", &self.flag);
    }
}

impl Object for SubscribeRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            "token" => member(map, &mut self.token),
            "recover" => member(map, &mut self.recover),
            "epoch" => member(map, &mut self.epoch),
            "offset" => member(map, &mut self.offset),
            "data" => member(map, &mut self.data),
            "positioned" => member(map, &mut self.positioned),
            "recoverable" => member(map, &mut self.recoverable),
            "join_leave" => member(map, &mut self.join_leave),
            "delta" => member(map, &mut self.delta),
            "tf" => member(map, &mut self.tf),
            "flag" => member(map, &mut self.flag),
            "type" => member(map, &mut self.r#type),
            "phase" => member(map, &mut self.phase),
            "cursor" => member(map, &mut self.cursor),
            "limit" => member(map, &mut self.limit),
            "asc" => member(map, &mut self.asc),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
        out.member("token", &self.token);
        out.member("recover", &self.recover);
        out.member("epoch", &self.epoch);
        out.member("offset", &self.offset);
        out.member("data", &self.data);
        out.member("positioned", &self.positioned);
        out.member("recoverable", &self.recoverable);
        out.member("join_leave", &self.join_leave);
        out.member("delta", &self.delta);
        out.member("tf", &self.tf);
        out.member("flag", &self.flag);
        out.member("type", &self.r#type);
        out.member("phase", &self.phase);
        out.member("cursor", &self.cursor);
        out.member("limit", &self.limit);
        out.member("asc", &self.asc);
    }
}

impl Object for UnsubscribeRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
    }
}

impl Object for PublishRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            "data" => member(map, &mut self.data),
            "type" => member(map, &mut self.r#type),
            "key" => member(map, &mut self.key),
            "removed" => member(map, &mut self.removed),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
        out.member("data", &self.data);
        out.member("type", &self.r#type);
        out.member("key", &self.key);
        out.member("removed", &self.removed);
    }
}

impl Object for PresenceRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
    }
}

impl Object for PresenceStatsRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
    }
}

impl Object for HistoryRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            "limit" => member(map, &mut self.limit),
            "since" => member(map, &mut self.since),
            "reverse" => member(map, &mut self.reverse),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
        out.member("limit", &self.limit);
        out.member("since", &self.since);
        out.member("reverse", &self.reverse);
    }
}

impl Object for PingRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }

    fn write(&self, _: &mut Writer<'_>) {
    }
}

impl Object for SendRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "data" => member(map, &mut self.data),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("data", &self.data);
    }
}

impl Object for RpcRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "data" => member(map, &mut self.data),
            "method" => member(map, &mut self.method),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("data", &self.data);
        out.member("method", &self.method);
    }
}

impl Object for RefreshRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "token" => member(map, &mut self.token),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("token", &self.token);
    }
}

impl Object for SubRefreshRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            "token" => member(map, &mut self.token),
            "type" => member(map, &mut self.r#type),
            "track" => member(map, &mut self.track),
            "untrack" => member(map, &mut self.untrack),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
        out.member("token", &self.token);
        out.member("type", &self.r#type);
        out.member("track", &self.track);
        out.member("untrack", &self.untrack);
    }
}

impl Object for ConnectResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "client" => member(map, &mut self.client),
            "version" => member(map, &mut self.version),
            "expires" => member(map, &mut self.expires),
            "ttl" => member(map, &mut self.ttl),
            "data" => member(map, &mut self.data),
            "subs" => member(map, &mut self.subs),
            "ping" => member(map, &mut self.ping),
            "pong" => member(map, &mut self.pong),
            "session" => member(map, &mut self.session),
            "node" => member(map, &mut self.node),
            "time" => member(map, &mut self.time),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("client", &self.client);
        out.member("version", &self.version);
        out.member("expires", &self.expires);
        out.member("ttl", &self.ttl);
        out.member("data", &self.data);
        out.member("subs", &self.subs);
        out.member("ping", &self.ping);
        out.member("pong", &self.pong);
        out.member("session", &self.session);
        out.member("node", &self.node);
        out.member("time", &self.time);
    }
}

impl Object for SubscribeResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "expires" => member(map, &mut self.expires),
            "ttl" => member(map, &mut self.ttl),
            "recoverable" => member(map, &mut self.recoverable),
            "epoch" => member(map, &mut self.epoch),
            "publications" => member(map, &mut self.publications),
            "recovered" => member(map, &mut self.recovered),
            "offset" => member(map, &mut self.offset),
            "positioned" => member(map, &mut self.positioned),
            "data" => member(map, &mut self.data),
            "was_recovering" => member(map, &mut self.was_recovering),
            "delta" => member(map, &mut self.delta),
            "id" => member(map, &mut self.id),
            "type" => member(map, &mut self.r#type),
            "phase" => member(map, &mut self.phase),
            "cursor" => member(map, &mut self.cursor),
            "state" => member(map, &mut self.state),
            "publish_debounce" => member(map, &mut self.publish_debounce),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("expires", &self.expires);
        out.member("ttl", &self.ttl);
        out.member("recoverable", &self.recoverable);
        out.member("epoch", &self.epoch);
        out.member("publications", &self.publications);
        out.member("recovered", &self.recovered);
        out.member("offset", &self.offset);
        out.member("positioned", &self.positioned);
        out.member("data", &self.data);
        out.member("was_recovering", &self.was_recovering);
        out.member("delta", &self.delta);
        out.member("id", &self.id);
        out.member("type", &self.r#type);
        out.member("phase", &self.phase);
        out.member("cursor", &self.cursor);
        out.member("state", &self.state);
        out.member("publish_debounce", &self.publish_debounce);
    }
}

impl Object for UnsubscribeResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }

    fn write(&self, _: &mut Writer<'_>) {
    }
}

impl Object for PublishResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }

    fn write(&self, _: &mut Writer<'_>) {
    }
}

impl Object for PresenceResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "presence" => member(map, &mut self.presence),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member_always("presence", &self.presence);
    }
}

impl Object for PresenceStatsResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "num_clients" => member(map, &mut self.num_clients),
            "num_users" => member(map, &mut self.num_users),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member_always("num_clients", &self.num_clients);
        out.member_always("num_users", &self.num_users);
    }
}

impl Object for HistoryResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "publications" => member(map, &mut self.publications),
            "epoch" => member(map, &mut self.epoch),
            "offset" => member(map, &mut self.offset),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member_always("publications", &self.publications);
        out.member_always("epoch", &self.epoch);
        out.member_always("offset", &self.offset);
    }
}

impl Object for PingResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }

    fn write(&self, _: &mut Writer<'_>) {
    }
}

impl Object for RpcResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "data" => member(map, &mut self.data),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("data", &self.data);
    }
}

impl Object for RefreshResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "client" => member(map, &mut self.client),
            "version" => member(map, &mut self.version),
            "expires" => member(map, &mut self.expires),
            "ttl" => member(map, &mut self.ttl),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("client", &self.client);
        out.member("version", &self.version);
        out.member("expires", &self.expires);
        out.member("ttl", &self.ttl);
    }
}

impl Object for SubRefreshResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "expires" => member(map, &mut self.expires),
            "ttl" => member(map, &mut self.ttl),
            "items" => member(map, &mut self.items),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("expires", &self.expires);
        out.member("ttl", &self.ttl);
        out.member("items", &self.items);
    }
}

impl Object for Join {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "info" => member(map, &mut self.info),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("info", &self.info);
    }
}

impl Object for Leave {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "info" => member(map, &mut self.info),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("info", &self.info);
    }
}

impl Object for Unsubscribe {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "code" => member(map, &mut self.code),
            "reason" => member(map, &mut self.reason),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("code", &self.code);
        out.member("reason", &self.reason);
    }
}

impl Object for Subscribe {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "recoverable" => member(map, &mut self.recoverable),
            "epoch" => member(map, &mut self.epoch),
            "offset" => member(map, &mut self.offset),
            "positioned" => member(map, &mut self.positioned),
            "data" => member(map, &mut self.data),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("recoverable", &self.recoverable);
        out.member("epoch", &self.epoch);
        out.member("offset", &self.offset);
        out.member("positioned", &self.positioned);
        out.member("data", &self.data);
    }
}

impl Object for Message {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "data" => member(map, &mut self.data),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("data", &self.data);
    }
}

impl Object for Connect {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "client" => member(map, &mut self.client),
            "version" => member(map, &mut self.version),
            "data" => member(map, &mut self.data),
            "subs" => member(map, &mut self.subs),
            "expires" => member(map, &mut self.expires),
            "ttl" => member(map, &mut self.ttl),
            "ping" => member(map, &mut self.ping),
            "pong" => member(map, &mut self.pong),
            "session" => member(map, &mut self.session),
            "node" => member(map, &mut self.node),
            "time" => member(map, &mut self.time),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("client", &self.client);
        out.member("version", &self.version);
        out.member("data", &self.data);
        out.member("subs", &self.subs);
        out.member("expires", &self.expires);
        out.member("ttl", &self.ttl);
        out.member("ping", &self.ping);
        out.member("pong", &self.pong);
        out.member("session", &self.session);
        out.member("node", &self.node);
        out.member("time", &self.time);
    }
}

impl Object for Disconnect {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "code" => member(map, &mut self.code),
            "reason" => member(map, &mut self.reason),
            "reconnect" => member(map, &mut self.reconnect),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("code", &self.code);
        out.member("reason", &self.reason);
        out.member("reconnect", &self.reconnect);
    }
}

impl Object for Refresh {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "expires" => member(map, &mut self.expires),
            "ttl" => member(map, &mut self.ttl),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("expires", &self.expires);
        out.member("ttl", &self.ttl);
    }
}
