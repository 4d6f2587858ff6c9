#include "services/media_relay/rpc/session_methods.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/hmac.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/core/memory_gate.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/rpc/session_codec.h"

namespace sallyport::media_relay {
namespace {

using Answer = absl::StatusOr<v1::Session>;

// Names that are tried; of 64 loops one is missed with a chance of 1 in 10^7.
constexpr int kNames = 1024;

// What a record may say of an end.
bool IsReason(std::string_view reason) {
  return reason.size() <= 64 &&
         std::all_of(reason.begin(), reason.end(), [](char c) {
           return absl::ascii_isupper(static_cast<unsigned char>(c)) ||
                  absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
                  c == '_';
         });
}

v1::Session ProtoOf(const SessionView& view, bool with_keys) {
  v1::Session out;
  ToProto(view, with_keys, out);
  return out;
}

}  // namespace

absl::Status LoopOverloaded() {
  return MakeError(absl::StatusCode::kResourceExhausted, "LOOP_OVERLOADED",
                   "the relay loop has too much to do");
}

SessionMethods::SessionMethods(RelayFleet& fleet, RandomSource& random,
                               absl::Duration default_lease)
    : fleet_(fleet),
      random_(random),
      default_lease_(default_lease),
      id_key_(Secret::Random(random, 32)) {}

void SessionMethods::OnLoop(size_t loop, Done done,
                            std::function<Answer(RelayLoopContext&)> command) {
  RelayLoop::Command posted =
      [done, command = std::move(command)](RelayLoopContext& context) {
        done(command(context));
      };
  if (!fleet_.Do(loop, std::move(posted)).ok()) done(LoopOverloaded());
}

std::string SessionMethods::NewSessionId(
    const v1::CreateSessionRequest& request, std::string_view tenant) {
  if (!request.session_id().empty()) return request.session_id();
  if (!request.request_id().empty()) {
    const std::string text =
        absl::StrCat(AbslView(tenant), "\n", request.session().owner(), "\n",
                     request.request_id());
    const auto mac = HmacSha256(id_key_.DangerousBytes(), AsBytes(text));
    return HexEncode(ByteSpan(mac).first(16));
  }
  std::array<uint8_t, 16> id;
  random_.Fill(absl::MakeSpan(id));
  std::string name = HexEncode(id);
  const std::optional<size_t> place = fleet_.PlaceForSession();
  if (!place.has_value()) return name;
  // A session's loop follows from its name, so that everybody finds it: of
  // names, one that leads there. Should none, it is another loop's.
  for (int i = 0; i < kNames && fleet_.LoopOf(tenant, name) != *place; ++i) {
    ++id.back();
    if (id.back() == 0) ++id[id.size() - 2];
    name = HexEncode(id);
  }
  return name;
}

void SessionMethods::Create(const v1::CreateSessionRequest& request,
                            Authorize authorize, Done done) {
  const absl::StatusOr<std::string> tenant =
      ParseParent(request.parent(), /*wildcard=*/false);
  if (!tenant.ok()) return done(tenant.status());
  const absl::Status allowed = authorize(*tenant);
  if (!allowed.ok()) return done(allowed);
  absl::StatusOr<SessionSpec> spec = SpecFromProto(request, default_lease_);
  if (!spec.ok()) return done(spec.status());
  spec->tenant = *tenant;
  spec->id = NewSessionId(request, *tenant);
  const size_t loop = fleet_.LoopOf(spec->tenant, spec->id);
  auto shared = std::make_shared<SessionSpec>(*std::move(spec));
  OnLoop(loop, std::move(done),
         [shared, validate_only =
                      request.validate_only()](RelayLoopContext& c) -> Answer {
           if (c.core.draining()) {
             return MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                              "the relay takes no new sessions");
           }
           SessionTable& sessions = c.core.sessions();
           if (validate_only) {
             SP_RETURN_IF_ERROR(sessions.Check(*shared, c.now));
             return v1::Session();
           }
           // One that is there already is told again.
           if (!sessions.Get(shared->tenant, shared->id, c.now).ok() &&
               !c.core.memory().Take(MemoryUse::kSession)) {
             return MakeError(absl::StatusCode::kResourceExhausted,
                              "MEMORY_EXHAUSTED",
                              "the relay has no memory for another session");
           }
           SP_RETURN_IF_ERROR(
               sessions.Create(std::move(*shared), c.now, c.sockets));
           c.perform();
           SP_ASSIGN_OR_RETURN(const SessionView view,
                               sessions.TakeCreated(c.now));
           return ProtoOf(view, /*with_keys=*/true);
         });
}

void SessionMethods::Update(const v1::UpdateSessionRequest& request,
                            Authorize authorize, Done done) {
  absl::StatusOr<SessionUpdate> update = UpdateFromProto(request);
  if (!update.ok()) return done(update.status());
  const absl::Status allowed = authorize(update->tenant);
  if (!allowed.ok()) return done(allowed);
  const size_t loop = fleet_.LoopOf(update->tenant, update->id);
  auto shared = std::make_shared<SessionUpdate>(*std::move(update));
  OnLoop(loop, std::move(done), [shared](RelayLoopContext& c) -> Answer {
    SP_ASSIGN_OR_RETURN(const SessionView view,
                        c.core.sessions().Update(*shared, c.now, c.sockets));
    return ProtoOf(view, /*with_keys=*/true);
  });
}

void SessionMethods::Delete(const v1::DeleteSessionRequest& request,
                            Authorize authorize, Done done) {
  const auto name = ParseName(request.name(), "sessions");
  if (!name.ok()) return done(name.status());
  const absl::Status allowed = authorize(name->first);
  if (!allowed.ok()) return done(allowed);
  const std::string reason =
      request.reason().empty() ? "DELETED" : request.reason();
  if (!IsReason(reason)) {
    return done(
        MakeError(absl::StatusCode::kInvalidArgument, "REASON_INVALID",
                  "the request is not valid",
                  {{"reason", "must be 1 to 64 of A to Z, 0 to 9 and _"}}));
  }
  OnLoop(
      fleet_.LoopOf(name->first, name->second), std::move(done),
      [name = *name, owner = request.owner(), etag = request.etag(), reason,
       allow_missing = request.allow_missing()](RelayLoopContext& c) -> Answer {
        const auto view = c.core.sessions().Delete(
            name.first, name.second, owner, etag, reason, c.now, c.sockets);
        if (absl::IsNotFound(view.status()) && allow_missing) {
          return v1::Session();
        }
        SP_RETURN_IF_ERROR(view.status());
        return ProtoOf(*view, /*with_keys=*/false);
      });
}

}  // namespace sallyport::media_relay
