#include "services/capf/config_options.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "services/capf/core/est_message.h"
#include "services/capf/io/durable_file.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

absl::StatusOr<Secret> FirstLine(const std::string& file,
                                 std::string_view reason) {
  SP_ASSIGN_OR_RETURN(std::optional<std::string> text, ReadSmallFile(file));
  if (!text.has_value() || text->substr(0, text->find('\n')).empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, reason,
                     "the file of a secret is absent or empty");
  }
  text->resize(std::min(text->find('\n'), text->size()));
  return Secret::Take(*std::move(text));
}

absl::StatusOr<EstOptions> EstOptionsOf(const config::v1::EstConfig& est) {
  const std::optional<EstUrl> url = ParseEstUrl(est.url());
  if (!url.has_value()) return absl::InternalError("EST without a URL");
  EstOptions options;
  options.host = url->host;
  options.port = url->port;
  options.path_prefix = url->path_prefix;
  options.timeout = FromProtoOr(est.timeout(), absl::Seconds(10));
  SP_ASSIGN_OR_RETURN(const auto trust, ReadSmallFile(est.ca_file()));
  options.trust_pem = trust.value_or("");
  if (!est.certificate_file().empty()) {
    SP_ASSIGN_OR_RETURN(const auto chain,
                        ReadSmallFile(est.certificate_file()));
    SP_ASSIGN_OR_RETURN(auto key, ReadSmallFile(est.key_file()));
    options.certificate_chain_pem = chain.value_or("");
    options.private_key_pem = Secret::Take(std::move(key).value_or(""));
  }
  if (!est.password_file().empty()) {
    SP_ASSIGN_OR_RETURN(options.credentials,
                        FirstLine(est.password_file(), "PASSWORD_MISSING"));
  }
  return options;
}

RevocationFetcher::Options FetchOptionsOf(const config::v1::CapfConfig& config,
                                          const std::string& own_issuer_der) {
  const config::v1::RevocationFetchConfig& fetch = config.revocation_fetch();
  RevocationFetcher::Options options;
  options.urls = {fetch.urls().begin(), fetch.urls().end()};
  options.follow_certificates = fetch.follow_certificates();
  options.ca_file = fetch.ca_file();
  options.refresh_interval =
      FromProtoOr(fetch.refresh_interval(), options.refresh_interval);
  options.timeout = FromProtoOr(fetch.timeout(), options.timeout);
  if (fetch.max_bytes() != 0) options.max_bytes = fetch.max_bytes();
  options.allow_private = config.allow_private_peers();
  options.own_issuer_der = own_issuer_der;
  return options;
}

}  // namespace sallyport::capf
