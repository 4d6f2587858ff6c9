#include "services/capf/io/test_capf.h"

#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/check.h"

namespace sallyport::capf {
namespace {

template <typename T>
T Must(absl::StatusOr<T> result) {
  if (!result.ok()) std::cerr << result.status() << "\n";
  SP_CHECK(result.ok());
  return *std::move(result);
}

FileSignerOptions KeyOptions(const std::string& folder,
                             const Secret& wrapping) {
  FileSignerOptions options;
  options.wrapping = wrapping.Clone();
  options.key_file = folder + "/ca.key";
  options.create = true;
  return options;
}

AuthorityOptions CaOptions(const std::string& folder) {
  AuthorityOptions options;
  options.certificate_file = folder + "/ca.pem";
  options.create = true;
  options.subject.organization = "Example";
  options.subject.common_name = "CAPF-test";
  return options;
}

}  // namespace

std::string NewTestFolder() {
  const char* base = std::getenv("TEST_TMPDIR");
  std::string path = std::string(base == nullptr ? "/tmp" : base) + "/XXXXXX";
  SP_CHECK(mkdtemp(path.data()) != nullptr);
  return path;
}

TestCapf::TestCapf(const std::string& where, RegistrationOptions options)
    : TestCapf(where, SqliteOptions{.file = where + "/capf.db"}, options) {}

TestCapf::TestCapf(const std::string& where, SqlOptions where_stored,
                   RegistrationOptions options)
    : folder(where),
      database(Must(SqlDatabase::Open(std::move(where_stored)))),
      store(Must(SqlStore::Open(*database))),
      audit(Must(AuditFile::Open(where + "/audit.jsonl", *store))) {
  ledger.emplace(*store, *audit, clock);
  signer = Must(FileSigner::Open(KeyOptions(where, wrapping)));
  authority = Must(
      CertificateAuthority::Open(CaOptions(where), *signer, *ledger, random));
  SP_CHECK(authority->Recover().ok());
  registration.emplace(options, strings, *authority, *ledger);
  enrollments.emplace(strings, *ledger, random);
  trust.emplace(*authority, *ledger);
}

Enrollment TestCapf::AddEnrollment(const std::string& device,
                                   const std::string& string) {
  Enrollment e;
  e.name = "tenants/a/enrollments/" + absl::AsciiStrToLower(device);
  e.device_name = device;
  e.operation = Operation::kInstallUpgrade;
  e.completes_by = clock.Now() + absl::Hours(24);
  return Must(enrollments->Create(e, Secret::CopyOf(std::string_view(string)),
                                  "operator test", false))
      .enrollment;
}

Enrollment TestCapf::Get(const std::string& device) {
  const auto found = Must(store->FindDevice(device));
  SP_CHECK(found.has_value());
  return *found;
}

CapfMessage TestCapf::ClaimOf(const std::string& device,
                              const std::string& string) {
  CapfMessage claim;
  claim.opcode = CapfOpcode::kAuthResponse;
  claim.protocol_version = 3;
  claim.device_name = device;
  claim.authentication_string = string;
  return claim;
}

}  // namespace sallyport::capf
