#include "services/capf/io/list_signers.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/capf/io/durable_file.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

struct FirstSigner {
  const char* id;
  ListSignerState state;
  const char* old_name;
};
constexpr FirstSigner kFirst[] = {
    {"sast-1", ListSignerState::kSigning, "sast_1"},
    {"sast-2", ListSignerState::kStandby, "sast_2"},
    {"files-1", ListSignerState::kFiles, "tftp"},
};
constexpr std::string_view kSignerPrefix = "sast-";
constexpr std::string_view kFilesPrefix = "files-";

const ListSigner* Find(const std::vector<ListSigner>& signers,
                       std::string_view id) {
  const auto it =
      std::find_if(signers.begin(), signers.end(),
                   [id](const ListSigner& one) { return one.id == id; });
  return it == signers.end() ? nullptr : &*it;
}

}  // namespace

absl::StatusOr<std::shared_ptr<FileSigner>> ListSigners::KeyOf(
    const ListSigner& signer) {
  std::shared_ptr<FileSigner>& kept = keys_[signer.key_pem];
  if (kept == nullptr) {
    absl::StatusOr<std::unique_ptr<FileSigner>> key =
        FileSigner::FromPem(signer.key_pem, options_.wrapping);
    if (!key.ok()) {
      keys_.erase(signer.key_pem);
      return key.status();
    }
    kept = *std::move(key);
  }
  return kept;
}

absl::Status ListSigners::AddKey(const std::string& tenant,
                                 const std::string& id, ListSignerState state,
                                 const std::string& old_name) {
  ListSigner signer;
  signer.tenant = tenant;
  signer.id = id;
  signer.state = state;
  signer.create_time = ledger_.clock().Now();
  const std::string old_file =
      options_.old_folder.empty() || old_name.empty() ||
              tenant != options_.old_tenant
          ? std::string()
          : absl::StrCat(options_.old_folder, "/", old_name);
  std::optional<std::string> certificate;
  if (!old_file.empty()) {
    SP_ASSIGN_OR_RETURN(certificate, ReadSmallFile(old_file + ".pem"));
  }
  if (certificate) {
    FileSignerOptions options;
    options.key_file = old_file + ".key";
    options.wrapping = options_.wrapping.Clone();
    SP_ASSIGN_OR_RETURN(const std::unique_ptr<FileSigner> key,
                        FileSigner::Open(options));
    SP_ASSIGN_OR_RETURN(signer.key_pem, key->WrappedPem(options_.wrapping));
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                        CertificatesFromPem(*certificate));
    signer.certificate_der = chain.front();
  } else {
    SP_ASSIGN_OR_RETURN(FileSigner::NewKey made,
                        FileSigner::Make(kListSignerBits, options_.wrapping));
    signer.key_pem = std::move(made.encrypted_pem);
    keys_[signer.key_pem] = std::move(made.signer);
  }
  StoreChange change;
  change.audit = {{.event = "LIST_SIGNER_KEY",
                   .actor = "capf",
                   .subject = absl::StrCat("tenants/", tenant),
                   .details = absl::StrCat("signer=", id)}};
  change.insert_signers = {std::move(signer)};
  return ledger_.Apply(change);
}

absl::Status ListSigners::Certify(const ListSigner& signer) {
  SP_ASSIGN_OR_RETURN(const std::shared_ptr<FileSigner> key, KeyOf(signer));
  const PublicKey& public_key = key->public_key();
  const IssueOrder order{
      .tenant = signer.tenant,
      .profile = ProfileId::kCtlSigner,
      .subject = {.organization = options_.organization,
                  .common_name = absl::StrCat(absl::AsciiStrToUpper(signer.id),
                                              "-", signer.tenant)},
      .names = {},
      .key = public_key,
      .validity = options_.lifetime,
      .enrollment = {},
      .requester = "capf",
      .request_key = {},
      .request_sha256 = HexEncode(AsBytes(public_key.sha256()))};
  CertificateAuthority* authority = &authority_;
  if (options_.authority_of) {
    SP_ASSIGN_OR_RETURN(authority, options_.authority_of(signer.tenant));
  }
  return authority
      ->Issue(order,
              [&signer](const CertificateRecord& issued, StoreChange& change) {
                ListSigner certified = signer;
                certified.certificate_der = issued.der;
                change.update_signers.push_back(std::move(certified));
              })
      .status();
}

absl::StatusOr<std::vector<ListSigner>> ListSigners::Ensure(
    const std::string& tenant) {
  SP_ASSIGN_OR_RETURN(std::vector<ListSigner> signers,
                      ledger_.store().ListSigners(tenant));
  for (const FirstSigner& first : kFirst) {
    if (Find(signers, first.id) != nullptr) continue;
    SP_RETURN_IF_ERROR(AddKey(tenant, first.id, first.state, first.old_name));
  }
  SP_ASSIGN_OR_RETURN(signers, ledger_.store().ListSigners(tenant));
  bool all = true;
  for (const ListSigner& signer : signers) {
    if (!signer.certificate_der.empty()) continue;
    SP_RETURN_IF_ERROR(Certify(signer));
    all = false;
  }
  if (all) return signers;
  return ledger_.store().ListSigners(tenant);
}

absl::StatusOr<ListSigner> ListSigners::MakeFresh(const std::string& tenant) {
  return MakeIn(tenant, ListSignerState::kFresh, kSignerPrefix);
}

absl::StatusOr<ListSigner> ListSigners::MakeFilesNext(
    const std::string& tenant) {
  return MakeIn(tenant, ListSignerState::kFilesNext, kFilesPrefix);
}

absl::StatusOr<ListSigner> ListSigners::MakeIn(const std::string& tenant,
                                               ListSignerState state,
                                               std::string_view prefix) {
  SP_ASSIGN_OR_RETURN(std::vector<ListSigner> signers, Ensure(tenant));
  const auto made = [&signers, state]() -> const ListSigner* {
    const auto it = std::find_if(
        signers.begin(), signers.end(),
        [state](const ListSigner& one) { return one.state == state; });
    return it == signers.end() ? nullptr : &*it;
  };
  if (const ListSigner* const kept = made(); kept != nullptr) return *kept;
  const auto count = std::count_if(
      signers.begin(), signers.end(),
      [prefix](const ListSigner& one) { return one.id.starts_with(prefix); });
  SP_RETURN_IF_ERROR(
      AddKey(tenant, absl::StrCat(std::string(prefix), count + 1), state, ""));
  SP_ASSIGN_OR_RETURN(signers, Ensure(tenant));
  if (const ListSigner* const now = made(); now != nullptr) return *now;
  return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                   "the signers were changed meanwhile");
}

absl::StatusOr<std::string> ListSigners::Sign(const ListSigner& signer,
                                              SignedFileDigest digest,
                                              std::string_view text) {
  SP_ASSIGN_OR_RETURN(const std::shared_ptr<FileSigner> key, KeyOf(signer));
  return key->SignFile(digest, AsBytes(text));
}

}  // namespace sallyport::capf
