#include "services/capf/io/clear_keys.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/io/durable_file.h"
#include "services/capf/io/file_signer.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

namespace fs = std::filesystem;

// The last three are of a version that kept signers of lists in files.
constexpr std::string_view kOwnNames[] = {"capf_listener.key",
                                          "capf_strings.key", "sast_1.key",
                                          "sast_2.key", "tftp.key"};
// As ServerCertificates names keys of self-signed certificates.
constexpr std::string_view kServerPrefix = "server_";
constexpr std::string_view kKeySuffix = ".key";
constexpr std::string_view kTemporary = ".key.new.";
// Nobody writes a file for so long.
constexpr std::chrono::minutes kLeftBehind{1};

struct NamedStatus {
  const std::string& file;
  absl::Status operator()(const absl::Status& status) const {
    const std::string reason = ReasonOf(status);
    return MakeError(status.code(), reason,
                     absl::StrCat(file, ": ", status.message()));
  }
};

// How a key is to be encrypted.
struct Cover {
  const Secret& secret;
  bool is_passphrase;
  const Secret& passphrase;  // that an older version took
};

// True if it was in clear.
absl::StatusOr<bool> Encrypt(const std::string& file, const Cover& cover) {
  SP_ASSIGN_OR_RETURN(std::optional<std::string> content, ReadSmallFile(file));
  if (!content.has_value()) return false;
  const Secret pem = Secret::Take(*std::move(content));
  const NamedStatus named{file};
  const absl::Status is_private = CheckPrivate(file);
  if (!is_private.ok()) return named(is_private);
  const std::string text(pem.DangerousText());
  absl::StatusOr<std::unique_ptr<FileSigner>> key =
      FileSigner::FromPem(text, cover.secret);
  if (key.ok()) return false;
  const bool in_clear = ReasonOf(key.status()) == "KEY_IN_CLEAR";
  key = in_clear ? FileSigner::DangerousFromClearPem(pem)
                 : FileSigner::FromPem(text, cover.passphrase);
  if (!key.ok()) return named(key.status());
  SP_ASSIGN_OR_RETURN(const std::string encrypted,
                      (*key)->WrappedPem(cover.secret, cover.is_passphrase));
  SP_ASSIGN_OR_RETURN(const auto read,
                      FileSigner::FromPem(encrypted, cover.secret));
  if (read->public_key().spki() != (*key)->public_key().spki()) {
    return named(MakeError(absl::StatusCode::kInternal, "KEY_UNREADABLE",
                           "the encrypted key is not the same"));
  }
  SP_RETURN_IF_ERROR(ReplaceDurableFile(file, encrypted));
  return in_clear;
}

bool IsOwnName(std::string_view name) {
  if (std::find(std::begin(kOwnNames), std::end(kOwnNames), name) !=
      std::end(kOwnNames)) {
    return true;
  }
  return absl::StartsWith(std::string(name), std::string(kServerPrefix)) &&
         std::count(name.begin(), name.end(), '_') >= 3 &&
         absl::EndsWith(std::string(name), std::string(kKeySuffix));
}

// Our keys in `folder`; what was left of writing one is removed.
std::vector<std::string> Look(const std::string& folder,
                              std::string_view authority_name) {
  std::vector<std::string> found;
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    if (IsOwnName(name)) found.push_back(entry.path());
    const size_t at = name.find(kTemporary);
    if (at == std::string::npos) continue;
    const std::string of = name.substr(0, at + kKeySuffix.size());
    if (!IsOwnName(of) && of != authority_name) continue;
    const auto written = fs::last_write_time(entry.path(), error);
    if (!error && fs::file_time_type::clock::now() - written > kLeftBehind) {
      fs::remove(entry.path(), error);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Under `wrapping`, or nothing if it is already.
absl::StatusOr<std::optional<std::string>> Rewrapped(const std::string& pem,
                                                     const Secret& old,
                                                     const Secret& wrapping) {
  if (pem.empty() || FileSigner::FromPem(pem, wrapping).ok()) {
    return std::nullopt;
  }
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<FileSigner> key,
                      FileSigner::FromPem(pem, old));
  SP_ASSIGN_OR_RETURN(std::string fresh, key->WrappedPem(wrapping));
  return fresh;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> EncryptKeyFiles(
    const OwnKeyFiles& files, const Secret& passphrase,
    const Secret& wrapping) {
  std::vector<std::string> out;
  std::vector<std::string> own = Look(
      files.folder, fs::path(files.authority_key_file).filename().string());
  if (!files.authority_key_file.empty()) {
    own.push_back(files.authority_key_file);
  }
  for (const std::string& file : own) {
    SP_ASSIGN_OR_RETURN(const bool was_in_clear,
                        Encrypt(file, {wrapping, false, passphrase}));
    if (was_in_clear) out.push_back(file);
  }
  if (!files.root_key_file.empty()) {
    SP_ASSIGN_OR_RETURN(
        const bool was_in_clear,
        Encrypt(files.root_key_file, {passphrase, true, passphrase}));
    if (was_in_clear) out.push_back(files.root_key_file);
  }
  for (const std::string& file : out) {
    LogWarning(
        "a private key lay in clear and is encrypted now; copies of it that "
        "were made before are not",
        {{"file", file}});
  }
  return out;
}

absl::Status RewrapStoredKeys(const std::string& folder, const Secret& wrapping,
                              Ledger& ledger) {
  const std::string file = folder + "/store.key";
  SP_ASSIGN_OR_RETURN(std::optional<std::string> content, ReadSmallFile(file));
  if (!content.has_value()) return absl::OkStatus();
  const Secret old = Secret::Take(*std::move(content));
  StoreChange change;
  SP_ASSIGN_OR_RETURN(const std::vector<ListSigner> signers,
                      ledger.store().ListSigners(""));
  for (const ListSigner& signer : signers) {
    SP_ASSIGN_OR_RETURN(auto fresh, Rewrapped(signer.key_pem, old, wrapping));
    if (!fresh.has_value()) continue;
    change.update_signers.push_back(signer);
    change.update_signers.back().key_pem = *std::move(fresh);
  }
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> authorities,
                      ledger.store().ListAuthorities());
  for (const AuthorityGeneration& one : authorities) {
    SP_ASSIGN_OR_RETURN(auto fresh, Rewrapped(one.key_pem, old, wrapping));
    if (!fresh.has_value()) continue;
    change.put_authorities.push_back(one);
    change.put_authorities.back().key_pem = *std::move(fresh);
  }
  const size_t count =
      change.update_signers.size() + change.put_authorities.size();
  if (count > 0) {
    change.audit = {{.event = "KEYS_ENCRYPTED",
                     .actor = "capf",
                     .subject = "store",
                     .details = absl::StrCat("keys=", count)}};
    const absl::Status applied = ledger.Apply(change);
    // Another replica does the same.
    if (ReasonOf(applied) == "ETAG_MISMATCH") {
      return RewrapStoredKeys(folder, wrapping, ledger);
    }
    SP_RETURN_IF_ERROR(applied);
  }
  SP_RETURN_IF_ERROR(RemoveDurableFile(file));
  LogWarning(
      "the key of the store's keys lay in clear; they are encrypted under the "
      "passphrase now",
      {{"file", file}, {"keys", count}});
  return absl::OkStatus();
}

}  // namespace sallyport::capf
