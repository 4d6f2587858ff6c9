#include "services/common/renewal/certificate_renewer.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/secret.h"
#include "services/common/files/durable_file.h"
#include "services/common/log/log.h"
#include "services/common/renewal/renewal_request.h"
#include "services/common/renewal/renewal_schedule.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

constexpr size_t kMaxFile = 1 << 20;
constexpr std::string_view kSealed = "BEGIN ENCRYPTED";
constexpr absl::Duration kDueWithin = absl::Seconds(10);
constexpr absl::Duration kReportAgain = absl::Seconds(5);

// Changes when one of the files does.
std::string StampOf(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return "-";
  return absl::StrCat(status.st_dev, ".", status.st_ino, ".", status.st_size,
                      ".", status.st_mtim.tv_sec, ".", status.st_mtim.tv_nsec);
}

std::string StampOf(const CertificateRenewer::Files& files) {
  return absl::StrCat(StampOf(files.certificate_file), ";",
                      StampOf(files.key_file));
}

// The first private key of `pem` as it stands, without what is around it;
// empty if there is none.
Secret KeyBlockOf(const Secret& pem) {
  constexpr std::string_view kName = "PRIVATE KEY-----";
  const std::string_view text = pem.DangerousText();
  const size_t name = text.find(kName);
  if (name == std::string_view::npos) return Secret();
  const size_t begin = text.rfind("-----BEGIN", name);
  const size_t end = text.find(kName, name + kName.size());
  if (begin == std::string_view::npos || end == std::string_view::npos) {
    return Secret();
  }
  const size_t after = end + kName.size();
  return Secret::CopyOf(text.substr(begin, after - begin));
}

std::string PemChainOf(const std::vector<std::string>& chain) {
  std::string out;
  for (const std::string& der : chain) out += CertificateToPem(AsBytes(der));
  return out;
}

}  // namespace

struct CertificateRenewer::Pair {
  std::vector<std::string> chain;  // DER
  Secret key_pem;
  CertificateInfo info;  // of the leaf
  bool given = false;    // by the operator
};

CertificateRenewer::CertificateRenewer(Options options, const Clock& clock,
                                       RandomSource& random)
    : options_(std::move(options)), clock_(clock), random_(random) {}

CertificateRenewer::~CertificateRenewer() { Stop(); }

absl::StatusOr<CertificateRenewer::Pair> CertificateRenewer::ReadPair(
    const std::string& certificate_file, const std::string& key_file,
    bool is_kept) const {
  const auto unusable = [&](const std::string& why) {
    return MakeError(absl::StatusCode::kInvalidArgument, "CERTIFICATE_UNUSABLE",
                     absl::StrCat(certificate_file, ": ", why));
  };
  absl::StatusOr<std::string> certificates =
      ReadWholeFile(certificate_file, kMaxFile);
  if (!certificates.ok()) return certificates.status();
  absl::StatusOr<std::string> key = ReadWholeFile(key_file, kMaxFile);
  if (!key.ok()) return key.status();
  Pair out;
  out.key_pem = KeyBlockOf(Secret::Take(*std::move(key)));
  // One that was kept before keys were sealed is sealed as it is used again.
  if (is_kept && options_.sealing.has_value() &&
      out.key_pem.DangerousText().find(kSealed) != std::string_view::npos) {
    SP_ASSIGN_OR_RETURN(
        out.key_pem,
        options_.sealing->open(std::string(out.key_pem.DangerousText())));
  }
  absl::StatusOr<std::vector<std::string>> chain =
      CertificatesFromPem(*certificates);
  Cleanse(*certificates);  // may hold the key too
  if (!chain.ok()) return unusable("holds no certificate");
  out.chain = *std::move(chain);
  SP_ASSIGN_OR_RETURN(out.info, ParseCertificate(AsBytes(out.chain.front())));
  if (!KeyBelongs(CertificateToPem(AsBytes(out.chain.front())), out.key_pem)) {
    return unusable("is not for the key in its file");
  }
  return out;
}

absl::StatusOr<CertificateRenewer::Pair> CertificateRenewer::Choose(
    Managed& managed) {
  managed.operators = StampOf(managed.files);
  absl::StatusOr<Pair> given =
      ReadPair(managed.files.certificate_file, managed.files.key_file, false);
  if (given.ok()) given->given = true;
  absl::StatusOr<Pair> kept = ReadPair(managed.file, managed.file, true);
  if (!kept.ok() && !absl::IsNotFound(kept.status())) {
    LogWarning("the certificate that was kept is not used",
               {{"use", managed.use}, {"error", kept.status()}});
  }
  const absl::Time now = clock_.Now();
  // Put there ahead of its time, it is looked at again when that comes.
  managed.given_from = given.ok() && given->info.not_before > now
                           ? given->info.not_before
                           : absl::InfiniteFuture();
  if (!kept.ok()) return given;
  if (!given.ok()) {
    LogWarning("the certificate that was given is not used",
               {{"use", managed.use}, {"error", given.status()}});
    return kept;
  }
  if (given->info.sha256 == kept->info.sha256) return given;
  const auto in_force = [now](const Pair& pair) {
    return pair.info.not_before <= now && now < pair.info.not_after;
  };
  if (in_force(*given) != in_force(*kept)) {
    return in_force(*given) ? std::move(given) : std::move(kept);
  }
  return given->info.not_before > kept->info.not_before ? std::move(given)
                                                        : std::move(kept);
}

absl::Status CertificateRenewer::Use(Managed& managed, const Pair& pair) {
  const std::string chain = PemChainOf(pair.chain);
  std::string text =
      absl::StrCat(chain, std::string(pair.key_pem.DangerousText()), "\n");
  absl::Status written;
  if (options_.sealing.has_value()) {
    const absl::StatusOr<std::string> sealed =
        options_.sealing->seal(pair.key_pem);
    written = sealed.ok()
                  ? WriteDurableFile(managed.file, absl::StrCat(chain, *sealed))
                  : sealed.status();
    if (written.ok()) written = managed.in_clear.Replace(text);
  } else {
    written = WriteDurableFile(managed.file, text);
  }
  Cleanse(text);
  SP_RETURN_IF_ERROR(written);
  managed.info = pair.info;
  CertificateUseState state;
  state.use = managed.use;
  state.certificate_pem = PemChainOf(pair.chain);
  state.use_time = clock_.Now();
  state.not_after = pair.info.not_after;
  // Capf may be what was away, and then nobody has told it.
  const CertificateUseState& before = managed.state;
  const bool failed = before.failures > 0;
  state.mended_failures = failed ? before.failures : before.mended_failures;
  state.mended_reason = failed ? before.last_reason : before.mended_reason;
  state.mended_failure_time =
      failed ? before.last_failure_time : before.mended_failure_time;
  // A key that came from elsewhere does its work once.
  state.next_attempt_time =
      pair.given
          ? state.use_time
          : RenewalTime(pair.info.not_before, pair.info.not_after, Jitter());
  LogInfo("certificate in use", {{"used_by", managed.use},
                                 {"issuer", pair.info.issuer},
                                 {"serial", pair.info.serial_hex},
                                 {"sha1", HexEncode(pair.info.sha1)},
                                 {"sha256", HexEncode(pair.info.sha256)},
                                 {"expires", pair.info.not_after},
                                 {"next_attempt", state.next_attempt_time}});
  SetState(managed, state);
  return absl::OkStatus();
}

absl::Status CertificateRenewer::MakeFolder() const {
  if (mkdir(options_.folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return MakeError(absl::StatusCode::kUnavailable, "FOLDER_NOT_WRITABLE",
                     absl::StrCat(options_.folder, ": ", strerror(errno)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> CertificateRenewer::Manage(const std::string& use,
                                                       const Files& files,
                                                       bool is_identity) {
  SP_RETURN_IF_ERROR(MakeFolder());
  auto managed = std::make_unique<Managed>();
  managed->use = use;
  managed->files = files;
  managed->is_identity = is_identity;
  managed->file = absl::StrCat(options_.folder, "/", use, ".pem");
  SP_ASSIGN_OR_RETURN(const Pair pair, Choose(*managed));
  SP_RETURN_IF_ERROR(Use(*managed, pair));
  managed_.push_back(std::move(managed));
  return options_.sealing.has_value() ? managed_.back()->in_clear.path()
                                      : managed_.back()->file;
}

void CertificateRenewer::Observe(const std::string& use,
                                 const std::string& certificate_file) {
  auto managed = std::make_unique<Managed>();
  managed->use = use;
  managed->is_observed = true;
  managed->file = certificate_file;
  LookAtObserved(*managed);
  managed_.push_back(std::move(managed));
}

bool CertificateRenewer::LookAtObserved(Managed& managed) {
  std::string stamp = StampOf(managed.file);
  if (stamp == managed.operators) return false;
  managed.operators = std::move(stamp);
  absl::StatusOr<std::string> pem = ReadWholeFile(managed.file, kMaxFile);
  if (!pem.ok()) return false;  // whoever uses it tells
  const auto chain = CertificatesFromPem(*pem);
  Cleanse(*pem);  // may hold the key too
  if (!chain.ok()) return false;
  const auto info = ParseCertificate(AsBytes(chain->front()));
  if (!info.ok() || info->sha256 == managed.info.sha256) return false;
  managed.info = *info;
  CertificateUseState state;
  state.use = managed.use;
  state.certificate_pem = PemChainOf(*chain);
  state.use_time = clock_.Now();
  state.not_after = info->not_after;
  SetState(managed, state);
  return true;
}

void CertificateRenewer::Start() {
  thread_ = std::thread([this] { Run(); });
}

void CertificateRenewer::Stop() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

std::vector<CertificateUseState> CertificateRenewer::states() const {
  const absl::MutexLock lock(&mutex_);
  return states_;
}

void CertificateRenewer::SetState(Managed& managed,
                                  const CertificateUseState& state) {
  managed.state = state;
  if (options_.on_state) options_.on_state(state);
  const absl::MutexLock lock(&mutex_);
  for (CertificateUseState& one : states_) {
    if (one.use != state.use) continue;
    one = state;
    return;
  }
  states_.push_back(state);
}

void CertificateRenewer::Run() {
  absl::Time report_time = absl::InfinitePast();
  bool changed = true;
  while (true) {
    for (const auto& managed : managed_) changed = Look(*managed) || changed;
    const absl::Time now = clock_.Now();
    if (changed || now >= report_time) {
      const std::vector<CertificateUseState> all = states();
      const absl::StatusOr<std::vector<std::string>> told =
          options_.report(all);
      if (told.ok()) {
        Told(all);
        for (const std::string& use : *told) MakeDue(use);
      }
      changed = false;
      report_time =
          now + (told.ok() ? options_.report_interval
                           : std::min(kReportAgain, options_.report_interval));
    }
    const absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.tick)) {
      return;
    }
  }
}

void CertificateRenewer::Told(const std::vector<CertificateUseState>& states) {
  for (const auto& managed : managed_) {
    for (const CertificateUseState& one : states) {
      if (one.use != managed->use || one.mended_failures == 0) continue;
      CertificateUseState state = managed->state;
      state.mended_failures = 0;
      state.mended_reason.clear();
      state.mended_failure_time = absl::InfinitePast();
      SetState(*managed, state);
    }
  }
}

void CertificateRenewer::MakeDue(const std::string& use) {
  for (const auto& managed : managed_) {
    // One that has failed keeps its pace.
    if (managed->use != use || managed->is_observed ||
        managed->state.failures > 0) {
      continue;
    }
    CertificateUseState state = managed->state;
    // A fleet is told within a minute, and need not come within a second.
    state.next_attempt_time =
        std::min(state.next_attempt_time, clock_.Now() + Jitter() * kDueWithin);
    SetState(*managed, state);
  }
}

bool CertificateRenewer::Look(Managed& managed) {
  if (managed.is_observed) return LookAtObserved(managed);
  bool changed = false;
  const absl::Time now = clock_.Now();
  // The operator has put another pair there, or its time has come; or ours has
  // ended, and what was given to begin with is a way back.
  if (StampOf(managed.files) != managed.operators ||
      now >= managed.given_from || now >= managed.info.not_after) {
    const absl::StatusOr<Pair> pair = Choose(managed);
    if (pair.ok() && pair->info.sha256 != managed.info.sha256) {
      const absl::Status used = Use(managed, *pair);
      changed = used.ok();
      if (!used.ok()) {
        LogError("a certificate was not put into use",
                 {{"use", managed.use}, {"error", used}});
      }
    }
  }
  if (now < managed.state.next_attempt_time) return changed;
  const absl::Status renewed = Renew(managed);
  if (!renewed.ok()) {
    CertificateUseState state = managed.state;
    ++state.failures;
    state.last_reason = std::string(ReasonOf(renewed));
    if (state.last_reason.empty()) {
      state.last_reason = absl::IsDeadlineExceeded(renewed)
                              ? "AUTHORITY_TIMEOUT"
                              : "AUTHORITY_UNAVAILABLE";
    }
    state.last_failure_time = clock_.Now();
    state.next_attempt_time =
        state.last_failure_time +
        RenewalBackoff(state.failures, Jitter(),
                       managed.info.not_after - state.last_failure_time);
    LogError("a certificate was not renewed",
             {{"use", managed.use},
              {"reason", state.last_reason},
              {"error", renewed},
              {"failures", state.failures},
              {"expires", managed.info.not_after},
              {"next_attempt", state.next_attempt_time}});
    SetState(managed, state);
  }
  if (options_.on_attempt) options_.on_attempt(managed.state, renewed.ok());
  return true;
}

absl::Status CertificateRenewer::Renew(Managed& managed) {
  SP_ASSIGN_OR_RETURN(const Pair old,
                      ReadPair(managed.file, managed.file, true));
  const std::string leaf = CertificateToPem(AsBytes(old.chain.front()));
  SP_ASSIGN_OR_RETURN(RenewalRequest request,
                      MakeRenewalRequest(leaf, old.key_pem));
  RenewalOrder order;
  order.csr_der = std::move(request.csr_der);
  if (!managed.is_identity) {
    order.certificate_pem = leaf;
    order.proof = std::move(request.proof);
  }
  SP_ASSIGN_OR_RETURN(const std::string chain_pem, options_.sign(order));
  std::string roots;
  if (!managed.files.ca_file.empty()) {
    SP_ASSIGN_OR_RETURN(roots, ReadWholeFile(managed.files.ca_file, kMaxFile));
  }
  SP_RETURN_IF_ERROR(
      CheckRenewed(chain_pem, request.key_pem, old.info, roots, clock_.Now()));
  Pair pair;
  SP_ASSIGN_OR_RETURN(pair.chain, CertificatesFromPem(chain_pem));
  SP_ASSIGN_OR_RETURN(pair.info, ParseCertificate(AsBytes(pair.chain.front())));
  pair.key_pem = std::move(request.key_pem);
  return Use(managed, pair);
}

}  // namespace sallyport
