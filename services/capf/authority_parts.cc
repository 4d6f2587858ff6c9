#include "services/capf/authority_parts.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <utility>

#include "absl/strings/str_join.h"
#include "services/capf/config.h"
#include "services/capf/config_options.h"
#include "services/capf/io/clear_keys.h"
#include "services/capf/io/durable_file.h"
#include "services/capf/io/file_signer.h"
#include "services/capf/io/metrics_table.h"
#include "services/capf/io/pkcs11_signer.h"
#include "services/common/config/proto_time.h"
#include "services/common/fips/fips_mode.h"
#include "services/common/fips/power_up.h"
#include "services/common/log/log.h"
#include "services/common/sql/store_config.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr char kDefaultTenant[] = "default";
constexpr char kDefaultAuthority[] = "default";
constexpr char kDefaultCommonName[] = "Sallyport CAPF";
constexpr char kDefaultRootName[] = "Sallyport Root";
// By this name the store knows which key the strings' hashes are made with.
constexpr char kStringKey[] = "string_key";

}  // namespace

std::string AuthorityParts::tenant() const {
  return config_.default_tenant().empty() ? kDefaultTenant
                                          : config_.default_tenant();
}

std::string AuthorityParts::authority_id() const {
  return config_.authority().id().empty() ? kDefaultAuthority
                                          : config_.authority().id();
}

std::string AuthorityParts::key_folder() const {
  return KeyFolder(config_.authority());
}

void AuthorityParts::StopLedger() {
  if (ledger_.has_value()) ledger_->Stop();
}

absl::Status AuthorityParts::Open(ServiceRuntime& runtime) {
  SP_RETURN_IF_ERROR(vault_.ReadPassphrase());
  SP_RETURN_IF_ERROR(OpenStores());
  SP_RETURN_IF_ERROR(EnterFipsMode(runtime));
  SP_RETURN_IF_ERROR(vault_.Open());
  SP_RETURN_IF_ERROR(EncryptKeys());
  return OpenAuthorities();
}

absl::Status AuthorityParts::OpenStores() {
  SP_ASSIGN_OR_RETURN(database_,
                      SqlDatabase::Open(SqlOptionsOf(config_.store())));
  SP_ASSIGN_OR_RETURN(store_, SqlStore::Open(*database_));
  SP_ASSIGN_OR_RETURN(audit_, AuditFile::Open(config_.audit_file(), *store_));
  ledger_.emplace(*store_, *audit_, clock_);
  return absl::OkStatus();
}

absl::Status AuthorityParts::EnterFipsMode(ServiceRuntime& runtime) {
  SP_ASSIGN_OR_RETURN(const int64_t stored, store_->FipsMode());
  // Once: a second signal would not let it end in order.
  fips_.restart = [told = std::make_shared<std::once_flag>()] {
    std::call_once(*told, [] { kill(getpid(), SIGTERM); });
  };
  fips_.forbidden_settings = ForbiddenSettings(config_);
  if (stored == 0) {
    SP_ASSIGN_OR_RETURN(fips_.program_sha256, ProgramSha256());
    return RegenerateKeys(key_folder(), "off");
  }
  SP_RETURN_IF_ERROR(runtime.EnterFipsMode(key_folder()));
  static_cast<FipsState&>(fips_) = runtime.fips();
  if (!fips_.forbidden_settings.empty()) {
    return NotAllowedInFipsMode(absl::StrJoin(fips_.forbidden_settings, "; "));
  }
  return RegenerateKeys(key_folder(), "on");
}

absl::Status AuthorityParts::EncryptKeys() {
  SP_ASSIGN_OR_RETURN(
      const std::vector<std::string> were_in_clear,
      EncryptKeyFiles({.folder = key_folder(),
                       .authority_key_file = config_.authority().key_file(),
                       .root_key_file = config_.authority().root().key_file()},
                      vault_.passphrase(), vault_.wrapping()));
  if (!were_in_clear.empty()) {
    StoreChange change;
    change.audit = {
        {"KEYS_ENCRYPTED", "capf", "files", absl::StrJoin(were_in_clear, " ")}};
    SP_RETURN_IF_ERROR(ledger_->Apply(change));
  }
  return RewrapStoredKeys(key_folder(), vault_.wrapping(), *ledger_);
}

absl::Status AuthorityParts::OpenToken() {
  if (!config_.authority().has_pkcs11()) return absl::OkStatus();
  const config::v1::Pkcs11Config& config = config_.authority().pkcs11();
  Pkcs11Options options;
  options.module_file = config.module_file();
  options.token_label = config.token_label();
  options.max_sessions = std::max(1, static_cast<int>(config.max_sessions()));
  SP_ASSIGN_OR_RETURN(options.pin, FirstLine(config.pin_file(), "PIN_MISSING"));
  SP_ASSIGN_OR_RETURN(token_, Pkcs11Token::Open(std::move(options), clock_));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Signer>> AuthorityParts::OpenSigner() {
  const config::v1::AuthorityConfig& authority = config_.authority();
  const int rsa_bits = static_cast<int>(authority.rsa_bits());
  if (!authority.has_pkcs11()) {
    return FileSigner::Open({.key_file = authority.key_file(),
                             .wrapping = vault_.wrapping().Clone(),
                             .create = true,
                             .create_rsa_bits = rsa_bits});
  }
  return Pkcs11Signer::Open({.label = authority.pkcs11().key_label(),
                             .create = true,
                             .create_rsa_bits = rsa_bits},
                            *token_);
}

absl::Status AuthorityParts::OpenAuthorities() {
  const config::v1::AuthorityConfig& authority = config_.authority();
  SP_RETURN_IF_ERROR(OpenToken());
  Authorities::Options all;
  all.default_id = authority_id();
  all.key_file = authority.key_file();
  all.certificate_file = authority.certificate_file();
  all.wrapping = vault_.wrapping().Clone();
  all.token = token_.get();
  all.token_label = authority.pkcs11().key_label();
  all.root_key_file = authority.root().key_file();
  all.root_certificate_file = authority.root().certificate_file();
  all.root_passphrase = vault_.passphrase().Clone();
  all.delta_url = DeltaUrl(config_);
  all.crl_url = config_.crl_url();
  all.verify_every_signature = authority.verify_every_signature();
  all.on_issued = [issued = metrics_.Counter(kCapfIssuedTotal)](
                      ProfileId profile) { issued.Increment(profile); };
  authorities_.emplace(std::move(all), *ledger_, random_);
  SP_RETURN_IF_ERROR(
      authorities_->Open([this] { return OpenConfiguredAuthority(); }));
  CertificateAuthority& first = authorities_->Default();
  // Another replica may be signing now.
  SP_RETURN_IF_ERROR(first.Recover(
      database_->is_postgres() ? kIntentAge : absl::ZeroDuration()));
  LogInfo("authority is open", {{"name", first.issuer().subject.common_name},
                                {"expires", first.issuer().not_after}});
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>>
AuthorityParts::OpenConfiguredAuthority() {
  const config::v1::AuthorityConfig& authority = config_.authority();
  SP_ASSIGN_OR_RETURN(signer_, OpenSigner());
  AuthorityOptions options;
  options.id = authority_id();
  options.certificate_file = authority.certificate_file();
  options.create = true;
  options.subject.organization = authority.organization();
  options.subject.common_name = authority.common_name().empty()
                                    ? kDefaultCommonName
                                    : authority.common_name();
  options.lifetime = FromProto(authority.lifetime());
  options.delta_url = DeltaUrl(config_);
  options.crl_url = config_.crl_url();
  options.verify_every_signature = authority.verify_every_signature();
  std::unique_ptr<FileSigner> root;
  SP_ASSIGN_OR_RETURN(const auto kept,
                      ReadSmallFile(authority.certificate_file()));
  // The root's key is not looked for once it has done its work.
  if (authority.has_root() && !kept.has_value()) {
    SP_ASSIGN_OR_RETURN(
        root, FileSigner::Open(
                  {.key_file = authority.root().key_file(),
                   .wrapping = vault_.passphrase().Clone(),
                   .create = true,
                   .create_rsa_bits = static_cast<int>(authority.rsa_bits()),
                   .is_passphrase = true}));
    options.root_signer = root.get();
    options.root_certificate_file = authority.root().certificate_file();
    options.root_subject.organization = authority.organization();
    options.root_subject.common_name = authority.root().common_name().empty()
                                           ? kDefaultRootName
                                           : authority.root().common_name();
  }
  options.on_issued = [issued = metrics_.Counter(kCapfIssuedTotal)](
                          ProfileId profile) { issued.Increment(profile); };
  return CertificateAuthority::Open(options, *signer_, *ledger_, random_);
}

absl::Status AuthorityParts::OpenStrings() {
  SP_ASSIGN_OR_RETURN(
      const auto key,
      FileSigner::Open({.key_file = key_folder() + "/capf_strings.key",
                        .wrapping = vault_.wrapping().Clone(),
                        .create = true}));
  SP_ASSIGN_OR_RETURN(Secret secret,
                      key->DeriveSecret("capf authentication strings"));
  strings_.emplace(std::move(secret));
  SP_ASSIGN_OR_RETURN(const int64_t of_store,
                      store_->ClaimNumber(kStringKey, strings_->KeyId()));
  if (of_store != strings_->KeyId()) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "STRING_KEY_MISMATCH",
                     "capf_strings.key is not the one that this store's "
                     "strings were hashed with");
  }
  return absl::OkStatus();
}

}  // namespace sallyport::capf
