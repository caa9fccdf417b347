// Made from proto/api.proto by `make proto`; do not edit.

use super::json::Object;
use super::json_read::member;
use super::json_write::Writer;
use super::api::*;
use serde::de::MapAccess;

impl Object for Error {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "code" => member(map, &mut self.code),
            "message" => member(map, &mut self.message),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("code", &self.code);
        out.member("message", &self.message);
    }
}

impl Object for Command {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "id" => member(map, &mut self.id),
            "params" => member(map, &mut self.params),
            "publish" => member(map, &mut self.publish),
            "broadcast" => member(map, &mut self.broadcast),
            "subscribe" => member(map, &mut self.subscribe),
            "unsubscribe" => member(map, &mut self.unsubscribe),
            "disconnect" => member(map, &mut self.disconnect),
            "presence" => member(map, &mut self.presence),
            "presence_stats" => member(map, &mut self.presence_stats),
            "history" => member(map, &mut self.history),
            "history_remove" => member(map, &mut self.history_remove),
            "info" => member(map, &mut self.info),
            "rpc" => member(map, &mut self.rpc),
            "refresh" => member(map, &mut self.refresh),
            "channels" => member(map, &mut self.channels),
            "map_publish" => member(map, &mut self.map_publish),
            "map_remove" => member(map, &mut self.map_remove),
            "map_read_state" => member(map, &mut self.map_read_state),
            "map_read_stream" => member(map, &mut self.map_read_stream),
            "map_stats" => member(map, &mut self.map_stats),
            "map_clear" => member(map, &mut self.map_clear),
            "shared_poll_publish" => member(map, &mut self.shared_poll_publish),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("id", &self.id);
        out.member("params", &self.params);
        out.member("publish", &self.publish);
        out.member("broadcast", &self.broadcast);
        out.member("subscribe", &self.subscribe);
        out.member("unsubscribe", &self.unsubscribe);
        out.member("disconnect", &self.disconnect);
        out.member("presence", &self.presence);
        out.member("presence_stats", &self.presence_stats);
        out.member("history", &self.history);
        out.member("history_remove", &self.history_remove);
        out.member("info", &self.info);
        out.member("rpc", &self.rpc);
        out.member("refresh", &self.refresh);
        out.member("channels", &self.channels);
        out.member("map_publish", &self.map_publish);
        out.member("map_remove", &self.map_remove);
        out.member("map_read_state", &self.map_read_state);
        out.member("map_read_stream", &self.map_read_stream);
        out.member("map_stats", &self.map_stats);
        out.member("map_clear", &self.map_clear);
        out.member("shared_poll_publish", &self.shared_poll_publish);
    }
}

impl Object for Reply {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "id" => member(map, &mut self.id),
            "error" => member(map, &mut self.error),
            "result" => member(map, &mut self.result),
            "publish" => member(map, &mut self.publish),
            "broadcast" => member(map, &mut self.broadcast),
            "subscribe" => member(map, &mut self.subscribe),
            "unsubscribe" => member(map, &mut self.unsubscribe),
            "disconnect" => member(map, &mut self.disconnect),
            "presence" => member(map, &mut self.presence),
            "presence_stats" => member(map, &mut self.presence_stats),
            "history" => member(map, &mut self.history),
            "history_remove" => member(map, &mut self.history_remove),
            "info" => member(map, &mut self.info),
            "rpc" => member(map, &mut self.rpc),
            "refresh" => member(map, &mut self.refresh),
            "channels" => member(map, &mut self.channels),
            "map_publish" => member(map, &mut self.map_publish),
            "map_remove" => member(map, &mut self.map_remove),
            "map_read_state" => member(map, &mut self.map_read_state),
            "map_read_stream" => member(map, &mut self.map_read_stream),
            "map_stats" => member(map, &mut self.map_stats),
            "map_clear" => member(map, &mut self.map_clear),
            "shared_poll_publish" => member(map, &mut self.shared_poll_publish),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("id", &self.id);
        out.member("error", &self.error);
        out.member("result", &self.result);
        out.member("publish", &self.publish);
        out.member("broadcast", &self.broadcast);
        out.member("subscribe", &self.subscribe);
        out.member("unsubscribe", &self.unsubscribe);
        out.member("disconnect", &self.disconnect);
        out.member("presence", &self.presence);
        out.member("presence_stats", &self.presence_stats);
        out.member("history", &self.history);
        out.member("history_remove", &self.history_remove);
        out.member("info", &self.info);
        out.member("rpc", &self.rpc);
        out.member("refresh", &self.refresh);
        out.member("channels", &self.channels);
        out.member("map_publish", &self.map_publish);
        out.member("map_remove", &self.map_remove);
        out.member("map_read_state", &self.map_read_state);
        out.member("map_read_stream", &self.map_read_stream);
        out.member("map_stats", &self.map_stats);
        out.member("map_clear", &self.map_clear);
        out.member("shared_poll_publish", &self.shared_poll_publish);
    }
}

impl Object for BatchRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "commands" => member(map, &mut self.commands),
            "parallel" => member(map, &mut self.parallel),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("commands", &self.commands);
        out.member("parallel", &self.parallel);
    }
}

impl Object for BatchResponse {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "replies" => member(map, &mut self.replies),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("replies", &self.replies);
    }
}

impl Object for BoolValue {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "value" => member(map, &mut self.value),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("value", &self.value);
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

impl Object for SubscribeOptionOverride {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "presence" => member(map, &mut self.presence),
            "join_leave" => member(map, &mut self.join_leave),
            "force_recovery" => member(map, &mut self.force_recovery),
            "force_positioning" => member(map, &mut self.force_positioning),
            "force_push_join_leave" => member(map, &mut self.force_push_join_leave),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("presence", &self.presence);
        out.member("join_leave", &self.join_leave);
        out.member("force_recovery", &self.force_recovery);
        out.member("force_positioning", &self.force_positioning);
        out.member("force_push_join_leave", &self.force_push_join_leave);
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

impl Object for PublishRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            "data" => member(map, &mut self.data),
            "b64data" => member(map, &mut self.b64data),
            "skip_history" => member(map, &mut self.skip_history),
            "tags" => member(map, &mut self.tags),
            "idempotency_key" => member(map, &mut self.idempotency_key),
            "delta" => member(map, &mut self.delta),
            "version" => member(map, &mut self.version),
            "version_epoch" => member(map, &mut self.version_epoch),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
        out.member("data", &self.data);
        out.member("b64data", &self.b64data);
        out.member("skip_history", &self.skip_history);
        out.member("tags", &self.tags);
        out.member("idempotency_key", &self.idempotency_key);
        out.member("delta", &self.delta);
        out.member("version", &self.version);
        out.member("version_epoch", &self.version_epoch);
    }
}

impl Object for PublishResponse {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "error" => member(map, &mut self.error),
            "result" => member(map, &mut self.result),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("error", &self.error);
        out.member("result", &self.result);
    }
}

impl Object for PublishResult {
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

impl Object for BroadcastRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channels" => member(map, &mut self.channels),
            "data" => member(map, &mut self.data),
            "b64data" => member(map, &mut self.b64data),
            "skip_history" => member(map, &mut self.skip_history),
            "tags" => member(map, &mut self.tags),
            "idempotency_key" => member(map, &mut self.idempotency_key),
            "delta" => member(map, &mut self.delta),
            "version" => member(map, &mut self.version),
            "version_epoch" => member(map, &mut self.version_epoch),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channels", &self.channels);
        out.member("data", &self.data);
        out.member("b64data", &self.b64data);
        out.member("skip_history", &self.skip_history);
        out.member("tags", &self.tags);
        out.member("idempotency_key", &self.idempotency_key);
        out.member("delta", &self.delta);
        out.member("version", &self.version);
        out.member("version_epoch", &self.version_epoch);
    }
}

impl Object for BroadcastResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "responses" => member(map, &mut self.responses),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("responses", &self.responses);
    }
}

impl Object for SubscribeRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            "user" => member(map, &mut self.user),
            "expire_at" => member(map, &mut self.expire_at),
            "info" => member(map, &mut self.info),
            "b64info" => member(map, &mut self.b64info),
            "client" => member(map, &mut self.client),
            "data" => member(map, &mut self.data),
            "b64data" => member(map, &mut self.b64data),
            "recover_since" => member(map, &mut self.recover_since),
            "override" => member(map, &mut self.r#override),
            "session" => member(map, &mut self.session),
            "label_filter" => member(map, &mut self.label_filter),
            "all_users" => member(map, &mut self.all_users),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
        out.member("user", &self.user);
        out.member("expire_at", &self.expire_at);
        out.member("info", &self.info);
        out.member("b64info", &self.b64info);
        out.member("client", &self.client);
        out.member("data", &self.data);
        out.member("b64data", &self.b64data);
        out.member("recover_since", &self.recover_since);
        out.member("override", &self.r#override);
        out.member("session", &self.session);
        out.member("label_filter", &self.label_filter);
        out.member("all_users", &self.all_users);
    }
}

impl Object for SubscribeResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }

    fn write(&self, _: &mut Writer<'_>) {
    }
}

impl Object for UnsubscribeRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            "user" => member(map, &mut self.user),
            "client" => member(map, &mut self.client),
            "session" => member(map, &mut self.session),
            "label_filter" => member(map, &mut self.label_filter),
            "all_users" => member(map, &mut self.all_users),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
        out.member("user", &self.user);
        out.member("client", &self.client);
        out.member("session", &self.session);
        out.member("label_filter", &self.label_filter);
        out.member("all_users", &self.all_users);
    }
}

impl Object for UnsubscribeResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }

    fn write(&self, _: &mut Writer<'_>) {
    }
}

impl Object for Disconnect {
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

impl Object for DisconnectRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "user" => member(map, &mut self.user),
            "disconnect" => member(map, &mut self.disconnect),
            "client" => member(map, &mut self.client),
            "whitelist" => member(map, &mut self.whitelist),
            "session" => member(map, &mut self.session),
            "label_filter" => member(map, &mut self.label_filter),
            "all_users" => member(map, &mut self.all_users),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("user", &self.user);
        out.member("disconnect", &self.disconnect);
        out.member("client", &self.client);
        out.member("whitelist", &self.whitelist);
        out.member("session", &self.session);
        out.member("label_filter", &self.label_filter);
        out.member("all_users", &self.all_users);
    }
}

impl Object for DisconnectResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }

    fn write(&self, _: &mut Writer<'_>) {
    }
}

impl Object for RefreshRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "user" => member(map, &mut self.user),
            "client" => member(map, &mut self.client),
            "expired" => member(map, &mut self.expired),
            "expire_at" => member(map, &mut self.expire_at),
            "info" => member(map, &mut self.info),
            "session" => member(map, &mut self.session),
            "label_filter" => member(map, &mut self.label_filter),
            "all_users" => member(map, &mut self.all_users),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("user", &self.user);
        out.member("client", &self.client);
        out.member("expired", &self.expired);
        out.member("expire_at", &self.expire_at);
        out.member("info", &self.info);
        out.member("session", &self.session);
        out.member("label_filter", &self.label_filter);
        out.member("all_users", &self.all_users);
    }
}

impl Object for RefreshResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }

    fn write(&self, _: &mut Writer<'_>) {
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

impl Object for Publication {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "data" => member(map, &mut self.data),
            "info" => member(map, &mut self.info),
            "offset" => member(map, &mut self.offset),
            "tags" => member(map, &mut self.tags),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("data", &self.data);
        out.member("info", &self.info);
        out.member("offset", &self.offset);
        out.member("tags", &self.tags);
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

impl Object for HistoryRemoveRequest {
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

impl Object for HistoryRemoveResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }

    fn write(&self, _: &mut Writer<'_>) {
    }
}

impl Object for InfoRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }

    fn write(&self, _: &mut Writer<'_>) {
    }
}

impl Object for InfoResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "nodes" => member(map, &mut self.nodes),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("nodes", &self.nodes);
    }
}

impl Object for NodeResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "uid" => member(map, &mut self.uid),
            "name" => member(map, &mut self.name),
            "version" => member(map, &mut self.version),
            "num_clients" => member(map, &mut self.num_clients),
            "num_users" => member(map, &mut self.num_users),
            "num_channels" => member(map, &mut self.num_channels),
            "uptime" => member(map, &mut self.uptime),
            "metrics" => member(map, &mut self.metrics),
            "process" => member(map, &mut self.process),
            "num_subs" => member(map, &mut self.num_subs),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member_always("uid", &self.uid);
        out.member_always("name", &self.name);
        out.member_always("version", &self.version);
        out.member_always("num_clients", &self.num_clients);
        out.member_always("num_users", &self.num_users);
        out.member_always("num_channels", &self.num_channels);
        out.member("uptime", &self.uptime);
        out.member("metrics", &self.metrics);
        out.member("process", &self.process);
        out.member_always("num_subs", &self.num_subs);
    }
}

impl Object for Metrics {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "interval" => member(map, &mut self.interval),
            "items" => member(map, &mut self.items),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("interval", &self.interval);
        out.member_always("items", &self.items);
    }
}

impl Object for Process {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "cpu" => member(map, &mut self.cpu),
            "rss" => member(map, &mut self.rss),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("cpu", &self.cpu);
        out.member("rss", &self.rss);
    }
}

impl Object for RpcRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "method" => member(map, &mut self.method),
            "params" => member(map, &mut self.params),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("method", &self.method);
        out.member("params", &self.params);
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

impl Object for ChannelsRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "pattern" => member(map, &mut self.pattern),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("pattern", &self.pattern);
    }
}

impl Object for ChannelsResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channels" => member(map, &mut self.channels),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member_always("channels", &self.channels);
    }
}

impl Object for ChannelInfo {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "num_clients" => member(map, &mut self.num_clients),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("num_clients", &self.num_clients);
    }
}

impl Object for MapEntry {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "key" => member(map, &mut self.key),
            "data" => member(map, &mut self.data),
            "tags" => member(map, &mut self.tags),
            "offset" => member(map, &mut self.offset),
            "score" => member(map, &mut self.score),
            "removed" => member(map, &mut self.removed),
            "time" => member(map, &mut self.time),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("key", &self.key);
        out.member("data", &self.data);
        out.member("tags", &self.tags);
        out.member("offset", &self.offset);
        out.member("score", &self.score);
        out.member("removed", &self.removed);
        out.member("time", &self.time);
    }
}

impl Object for MapPublishRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            "key" => member(map, &mut self.key),
            "data" => member(map, &mut self.data),
            "b64data" => member(map, &mut self.b64data),
            "stream_data" => member(map, &mut self.stream_data),
            "b64stream_data" => member(map, &mut self.b64stream_data),
            "tags" => member(map, &mut self.tags),
            "idempotency_key" => member(map, &mut self.idempotency_key),
            "delta" => member(map, &mut self.delta),
            "version" => member(map, &mut self.version),
            "version_epoch" => member(map, &mut self.version_epoch),
            "score" => member(map, &mut self.score),
            "key_mode" => member(map, &mut self.key_mode),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
        out.member("key", &self.key);
        out.member("data", &self.data);
        out.member("b64data", &self.b64data);
        out.member("stream_data", &self.stream_data);
        out.member("b64stream_data", &self.b64stream_data);
        out.member("tags", &self.tags);
        out.member("idempotency_key", &self.idempotency_key);
        out.member("delta", &self.delta);
        out.member("version", &self.version);
        out.member("version_epoch", &self.version_epoch);
        out.member("score", &self.score);
        out.member("key_mode", &self.key_mode);
    }
}

impl Object for MapPublishResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "offset" => member(map, &mut self.offset),
            "epoch" => member(map, &mut self.epoch),
            "suppressed" => member(map, &mut self.suppressed),
            "suppress_reason" => member(map, &mut self.suppress_reason),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("offset", &self.offset);
        out.member("epoch", &self.epoch);
        out.member("suppressed", &self.suppressed);
        out.member("suppress_reason", &self.suppress_reason);
    }
}

impl Object for MapRemoveRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            "key" => member(map, &mut self.key),
            "idempotency_key" => member(map, &mut self.idempotency_key),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
        out.member("key", &self.key);
        out.member("idempotency_key", &self.idempotency_key);
    }
}

impl Object for MapRemoveResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "offset" => member(map, &mut self.offset),
            "epoch" => member(map, &mut self.epoch),
            "suppressed" => member(map, &mut self.suppressed),
            "suppress_reason" => member(map, &mut self.suppress_reason),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("offset", &self.offset);
        out.member("epoch", &self.epoch);
        out.member("suppressed", &self.suppressed);
        out.member("suppress_reason", &self.suppress_reason);
    }
}

impl Object for MapReadStateRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            "cursor" => member(map, &mut self.cursor),
            "limit" => member(map, &mut self.limit),
            "key" => member(map, &mut self.key),
            "asc" => member(map, &mut self.asc),
            "revision_offset" => member(map, &mut self.revision_offset),
            "revision_epoch" => member(map, &mut self.revision_epoch),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
        out.member("cursor", &self.cursor);
        out.member("limit", &self.limit);
        out.member("key", &self.key);
        out.member("asc", &self.asc);
        out.member("revision_offset", &self.revision_offset);
        out.member("revision_epoch", &self.revision_epoch);
    }
}

impl Object for MapReadStateResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "entries" => member(map, &mut self.entries),
            "offset" => member(map, &mut self.offset),
            "epoch" => member(map, &mut self.epoch),
            "cursor" => member(map, &mut self.cursor),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("entries", &self.entries);
        out.member("offset", &self.offset);
        out.member("epoch", &self.epoch);
        out.member("cursor", &self.cursor);
    }
}

impl Object for MapReadStreamRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            "since_offset" => member(map, &mut self.since_offset),
            "since_epoch" => member(map, &mut self.since_epoch),
            "limit" => member(map, &mut self.limit),
            "reverse" => member(map, &mut self.reverse),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
        out.member("since_offset", &self.since_offset);
        out.member("since_epoch", &self.since_epoch);
        out.member("limit", &self.limit);
        out.member("reverse", &self.reverse);
    }
}

impl Object for MapReadStreamResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "entries" => member(map, &mut self.entries),
            "offset" => member(map, &mut self.offset),
            "epoch" => member(map, &mut self.epoch),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("entries", &self.entries);
        out.member("offset", &self.offset);
        out.member("epoch", &self.epoch);
    }
}

impl Object for MapStatsRequest {
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

impl Object for MapStatsResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "num_keys" => member(map, &mut self.num_keys),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("num_keys", &self.num_keys);
    }
}

impl Object for MapClearRequest {
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

impl Object for MapClearResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }

    fn write(&self, _: &mut Writer<'_>) {
    }
}

impl Object for SharedPollPublishRequest {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "channel" => member(map, &mut self.channel),
            "key" => member(map, &mut self.key),
            "data" => member(map, &mut self.data),
            "b64data" => member(map, &mut self.b64data),
            "version" => member(map, &mut self.version),
            "epoch" => member(map, &mut self.epoch),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.member("channel", &self.channel);
        out.member("key", &self.key);
        out.member("data", &self.data);
        out.member("b64data", &self.b64data);
        out.member("version", &self.version);
        out.member("epoch", &self.epoch);
    }
}

impl Object for SharedPollPublishResult {
    fn read<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }

    fn write(&self, _: &mut Writer<'_>) {
    }
}
