// What capf keeps and who signs for it: the store, the audit, FIPS mode, the
// token, and the authorities with their keys.

#ifndef SALLYPORT_SERVICES_CAPF_AUTHORITY_PARTS_H_
#define SALLYPORT_SERVICES_CAPF_AUTHORITY_PARTS_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sallyport/capf/config/v1/capf_config.pb.h"
#include "services/capf/core/authentication_string.h"
#include "services/capf/io/audit_file.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/fips_mode.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/pkcs11_token.h"
#include "services/capf/io/signer.h"
#include "services/capf/io/sql_store.h"
#include "services/capf/key_vault.h"
#include "services/common/metrics/metrics.h"
#include "services/common/random/random_source.h"
#include "services/common/service/service_main.h"
#include "services/common/sql/sql_database.h"
#include "services/common/time/clock.h"

namespace sallyport::capf {

// Signing takes seconds at most; whoever is slower is refused.
inline constexpr absl::Duration kIntentAge = absl::Minutes(5);

// Made at the start, and there until the end. Thread-compatible; what it holds
// says more.
class AuthorityParts {
 public:
  // All must outlive this object.
  AuthorityParts(const config::v1::CapfConfig& config, KeyVault& vault,
                 MetricsRegistry& metrics, RandomSource& random)
      : config_(config), vault_(vault), metrics_(metrics), random_(random) {}

  // In this order: what keys are encrypted under, as nothing is made without
  // it; the store and its audit; the self tests of FIPS mode, and new keys
  // after a switch of it (IMP-69, IMP-73 to IMP-76); keys that are in clear are
  // encrypted; the authorities.
  absl::Status Open(ServiceRuntime& runtime);

  SqlDatabase& database() { return *database_; }
  SqlStore& store() { return *store_; }
  Ledger& ledger() { return *ledger_; }
  FipsMode& fips() { return fips_; }
  Authorities& authorities() { return *authorities_; }
  // The default one.
  CertificateAuthority& authority() { return authorities_->Default(); }
  const KeyVault& vault() const { return vault_; }
  // The key under which authentication strings are hashed lies beside the
  // authority's, made at the first start, and never in the store.
  // FAILED_PRECONDITION, reason STRING_KEY_MISMATCH.
  absl::Status OpenStrings();
  const StringHasher& strings() const { return *strings_; }

  // Where keys of our own lie.
  std::string key_folder() const;
  std::string authority_id() const;
  // "default" unless the configuration names another.
  std::string tenant() const;
  // Writes no more.
  void StopLedger();

 private:
  absl::Status OpenStores();
  absl::Status EnterFipsMode(ServiceRuntime& runtime);
  absl::Status EncryptKeys();
  absl::Status OpenToken();
  absl::StatusOr<std::unique_ptr<Signer>> OpenSigner();
  absl::Status OpenAuthorities();
  // With the key of the configuration file.
  absl::StatusOr<std::unique_ptr<CertificateAuthority>>
  OpenConfiguredAuthority();

  const config::v1::CapfConfig& config_;
  KeyVault& vault_;
  MetricsRegistry& metrics_;
  RandomSource& random_;
  const Clock& clock_ = Clock::Real();
  FipsMode fips_;
  std::unique_ptr<SqlDatabase> database_;
  std::unique_ptr<SqlStore> store_;
  std::unique_ptr<AuditFile> audit_;
  std::optional<Ledger> ledger_;
  std::unique_ptr<Pkcs11Token> token_;  // if the key lies in one
  std::unique_ptr<Signer> signer_;
  std::optional<Authorities> authorities_;
  std::optional<StringHasher> strings_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_AUTHORITY_PARTS_H_
