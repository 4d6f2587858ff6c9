#include "services/signaling_edge/io/registry_client.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/binding_codec.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kPrefix[] = "sallyport:bindings:";
// Nothing to Redis is what an absent value is.
constexpr char kCompareAndSet[] =
    "local have = redis.call('GET', KEYS[1]) or '' "
    "if have ~= ARGV[1] then return {0, have} end "
    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) "
    "return {1, ''}";
// That a user has no contact is remembered for as long as another edge may
// believe that it has one: or that it was lost could not be told from that it
// was removed.
constexpr absl::Duration kTombstone = absl::Hours(1);

Moment NowOf(const EventLoop& loop) { return {loop.now(), loop.clock().Now()}; }

absl::Status NoRegistry(const absl::Status& status) {
  if (!ReasonOf(status).empty() && absl::IsUnavailable(status)) return status;
  return MakeError(absl::StatusCode::kUnavailable, "REGISTRY_UNAVAILABLE",
                   absl::StrCat("the registry refuses: ", status.message()));
}

}  // namespace

RegistryReply RegistryClient::Read(const std::string& user,
                                   std::string version) const {
  RegistryReply out;
  // What is no value of ours is as good as none, and will be overwritten.
  if (auto stored = DecodeBindings(version, user, NowOf(loop_)); stored.ok()) {
    out.epoch = stored->epoch;
    out.generation = stored->generation;
    out.bindings = std::move(stored->bindings);
  }
  out.version = std::move(version);
  return out;
}

void RegistryClient::Fetch(const FetchBindings& action, Done done) {
  redis_.Command({"GET", absl::StrCat(kPrefix, action.user)},
                 [this, user = action.user,
                  done = std::move(done)](absl::StatusOr<RedisReply> reply) {
                   if (!reply.ok()) return done(NoRegistry(reply.status()));
                   done(Read(user, std::move(reply->text)));
                 });
}

void RegistryClient::Store(const StoreBindings& action, Done done) {
  const Moment now = NowOf(loop_);
  std::string text =
      EncodeBindings({action.epoch, action.generation, action.bindings}, now);
  absl::Duration lasts = kTombstone;
  for (const Binding& binding : action.bindings) {
    lasts = std::max(lasts, binding.expires - now.mono);
  }
  redis_.Command(
      {"EVAL", kCompareAndSet, "1", absl::StrCat(kPrefix, action.user),
       action.expected, text,
       absl::StrCat(absl::ToInt64Milliseconds(lasts) + 1)},
      [this, user = action.user, epoch = action.epoch,
       generation = action.generation, text,
       done = std::move(done)](absl::StatusOr<RedisReply> reply) {
        if (!reply.ok()) return done(NoRegistry(reply.status()));
        if (reply->elements.size() != 2) {
          return done(NoRegistry(absl::InternalError("an answer of no kind")));
        }
        if (reply->elements[0].number == 1) {
          RegistryReply stored;
          stored.stored = true;
          stored.version = text;
          stored.epoch = epoch;
          stored.generation = generation;
          return done(std::move(stored));
        }
        done(Read(user, std::move(reply->elements[1].text)));
      });
}

}  // namespace sallyport::signaling_edge
