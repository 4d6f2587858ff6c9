#include "services/capf/io/est_upstreams.h"

#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/core/est_message.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

EstUpstreams::EstUpstreams(const Parts& parts) : parts_(parts) {
  CertificateAuthority& first = parts_.authorities.Default();
  all_[first.id()].upstream = std::make_unique<EstUpstream>(
      parts_.first, first, parts_.trust, parts_.retry, parts_.clock);
}

absl::Status EstUpstreams::Refresh() {
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      parts_.authorities.Generations());
  std::set<std::string> stay = {parts_.authorities.Default().id()};
  for (const AuthorityGeneration& one : all) {
    // A rotation asks for the key that is to come.
    if (one.state != AuthorityState::kIssuing || one.est_path.empty()) continue;
    stay.insert(one.authority);
    One& entry = all_[one.authority];
    if (entry.upstream != nullptr) continue;
    const auto authority = parts_.authorities.Find(one.authority);
    if (!authority.ok()) {
      all_.erase(one.authority);
      continue;
    }
    entry.client = parts_.first.At(one.est_path);
    entry.upstream = std::make_unique<EstUpstream>(
        *entry.client, **authority, parts_.trust, parts_.retry, parts_.clock);
  }
  for (auto it = all_.begin(); it != all_.end();) {
    it = stay.contains(it->first) ? std::next(it) : all_.erase(it);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> EstUpstreams::PathOf(const std::string& url) const {
  const std::optional<EstUrl> parsed = ParseEstUrl(url);
  const EstOptions& first = parts_.first.options();
  if (parsed.has_value() && parsed->host == first.host &&
      parsed->port == first.port) {
    return parsed->path_prefix;
  }
  return MakeError(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                   "upstream_url is not on the server of authority.est");
}

std::optional<EstState> EstUpstreams::StateOf(const std::string& id) const {
  const auto it = all_.find(id);
  if (it == all_.end()) return std::nullopt;
  return it->second.upstream->state();
}

const EstClient* EstUpstreams::ClientOf(const std::string& id) const {
  const auto it = all_.find(id);
  if (it == all_.end()) return nullptr;
  return it->second.client == nullptr ? &parts_.first : it->second.client.get();
}

std::string EstUpstreams::UrlOf(const std::string& id) const {
  const EstClient* const client = ClientOf(id);
  if (client == nullptr) return "";
  const EstOptions& options = client->options();
  return absl::StrCat(
      "https://", options.host,
      options.port == 443 ? "" : absl::StrCat(":", options.port),
      options.path_prefix);
}

}  // namespace sallyport::capf
