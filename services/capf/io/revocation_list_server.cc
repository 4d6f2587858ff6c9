#include "services/capf/io/revocation_list_server.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/digest.h"
#include "services/common/log/log.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr char kListType[] = "application/pkix-crl";  // RFC 2585 section 4.2
constexpr int kThreads = 8;
// For so long it is believed that there is no newer one: whoever asks often
// costs the store nothing.
constexpr absl::Duration kLook = absl::Seconds(1);
// How long a cache may give a list on without asking.
constexpr absl::Duration kMaxAge = absl::Minutes(5);

std::string HttpDate(absl::Time time) {
  return absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", time,
                          absl::UTCTimeZone());
}

}  // namespace

std::optional<ListRequest> ParseListFileName(std::string_view name) {
  absl::string_view rest = AbslView(name);
  ListRequest out;
  if (!absl::ConsumeSuffix(&rest, ".crl")) return std::nullopt;
  out.delta = absl::ConsumeSuffix(&rest, "-delta");
  const size_t dash = rest.rfind('-');
  if (dash == absl::string_view::npos || dash == 0) return std::nullopt;
  out.authority = std::string(rest.substr(0, dash));
  if (!absl::SimpleAtoi(rest.substr(dash + 1), &out.generation) ||
      out.generation < 1 ||
      ListFileName(out.authority, out.generation, out.delta) != name) {
    return std::nullopt;
  }
  return out;
}

bool HoldsEntityTag(std::string_view field, std::string_view tag) {
  for (absl::string_view one : absl::StrSplit(AbslView(field), ',')) {
    one = absl::StripAsciiWhitespace(one);
    if (one == "*") return true;
    absl::ConsumePrefix(&one, "W/");
    if (one == AbslView(tag)) return true;
  }
  return false;
}

absl::StatusOr<std::unique_ptr<RevocationListServer>>
RevocationListServer::Start(Options options, Authorities& authorities,
                            const Clock& clock, RandomSource& random,
                            MetricsRegistry& metrics) {
  const std::string address = options.address;
  std::unique_ptr<RevocationListServer> self(new RevocationListServer(
      std::move(options), authorities, clock, random, metrics));
  SP_ASSIGN_OR_RETURN(
      self->http_,
      MetricsHttp::Start(address, {},
                         [raw = self.get()](const HttpRequest& request) {
                           return raw->Answer(request);
                         },
                         {.threads = kThreads}));
  return self;
}

std::optional<HttpAnswer> RevocationListServer::Answer(
    const HttpRequest& request) {
  const absl::StatusOr<SocketAddress> source =
      SocketAddress::FromIp(request.peer, 0);
  if (source.ok() &&
      !sources_.Take(source->Canonical().ip_bytes(), clock_.MonoNow())) {
    requests_total_.Increment(CrlHttpRequest::kLimited);
    return HttpAnswer{.code = 429, .body = "too many requests\n"};
  }
  std::optional<HttpAnswer> answer = Find(request);
  requests_total_.Increment(!answer               ? CrlHttpRequest::kNotFound
                            : answer->code == 200 ? CrlHttpRequest::kSent
                            : answer->code == 304 ? CrlHttpRequest::kUnchanged
                                                  : CrlHttpRequest::kFailed);
  return answer;
}

std::optional<HttpAnswer> RevocationListServer::Find(
    const HttpRequest& request) {
  absl::string_view name = request.path;
  if (!absl::ConsumePrefix(&name, options_.path) ||
      !absl::ConsumePrefix(&name, "/")) {
    return std::nullopt;
  }
  const std::optional<ListRequest> wanted = ParseListFileName(StdView(name));
  if (!wanted.has_value()) return std::nullopt;
  const absl::StatusOr<Held> held = Get(std::string(name), *wanted);
  // No such authority or key, or no complete list that a delta list goes with.
  if (absl::IsNotFound(held.status()) ||
      absl::IsFailedPrecondition(held.status())) {
    return std::nullopt;
  }
  if (!held.ok()) {
    SALLYPORT_LOG_LIMITED(kWarning, "a revocation list could not be given",
                          {{"status", held.status()}});
    return HttpAnswer{
        .code = 503, .body = "not now\n", .headers = "Retry-After: 5\r\n"};
  }
  const absl::Time now = clock_.Now();
  const absl::Duration age =
      std::clamp(held->list->next_update - now, absl::ZeroDuration(), kMaxAge);
  HttpAnswer answer;
  answer.cache_control = absl::StrCat(
      "public, max-age=", absl::ToInt64Seconds(age), ", must-revalidate");
  answer.headers =
      absl::StrCat("ETag: ", held->tag,
                   "\r\nLast-Modified: ", HttpDate(held->list->this_update),
                   "\r\nExpires: ", HttpDate(now + age), "\r\n");
  if (!request.if_none_match.empty() &&
      HoldsEntityTag(request.if_none_match, held->tag)) {
    answer.code = 304;
    return answer;
  }
  answer.content_type = kListType;
  answer.body = held->list->der;
  return answer;
}

absl::StatusOr<RevocationListServer::Held> RevocationListServer::Get(
    const std::string& name, const ListRequest& request) {
  const MonoTime now = clock_.MonoNow();
  std::optional<Held> before;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = held_.find(name);
    if (it != held_.end()) {
      before = it->second;
      if (now < before->looked_at + kLook) return *before;
      // Whoever comes while this one looks is given the same.
      it->second.looked_at = now;
    }
  }
  absl::StatusOr<SignedRevocationList> list = Sign(request);
  if (!list.ok()) {
    const bool gone = absl::IsNotFound(list.status()) ||
                      absl::IsFailedPrecondition(list.status());
    if (!gone && before.has_value() &&
        before->list->next_update > clock_.Now()) {
      return *before;
    }
    absl::MutexLock lock(&mutex_);
    held_.erase(name);
    return list.status();
  }
  Held held;
  held.tag = absl::StrCat("\"", HexEncode(Sha256(AsBytes(list->der))), "\"");
  held.list = std::make_shared<const SignedRevocationList>(*std::move(list));
  held.looked_at = now;
  absl::MutexLock lock(&mutex_);
  held_[name] = held;
  return held;
}

absl::StatusOr<SignedRevocationList> RevocationListServer::Sign(
    const ListRequest& request) {
  SP_ASSIGN_OR_RETURN(CertificateAuthority* const authority,
                      authorities_.Find(request.authority));
  return request.delta
             ? authority->DeltaListOf(request.generation, options_.lifetime)
             : authority->RevocationListOf(request.generation,
                                           options_.lifetime);
}

}  // namespace sallyport::capf
