#include "services/capf/io/registration_authority.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/capf/core/authentication_string.h"
#include "services/capf/core/certificate_proof.h"
#include "services/capf/core/public_key.h"
#include "services/capf/core/trust_store.h"
#include "services/capf/io/trust_admin.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/secret.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/pki/path_verifier.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr char kActor[] = "capf-protocol";

std::string TenantOf(const std::string& name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  return parts.size() > 1 ? parts[1] : std::string();
}

CertificateUpdate Revoke(CertificateRecord record, RevocationReason reason,
                         absl::Time now) {
  const CertificateState before = record.state;
  record.state = CertificateState::kRevoked;
  record.revoke_time = now;
  record.revocation_reason = reason;
  return {std::move(record), before};
}

// What an operation failed of, when no LSC could be issued.
FailureReason ReasonFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return FailureReason::kKeyGenerationFailed;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInternal:
      return FailureReason::kCaRejectedConnection;
    default:
      return FailureReason::kCaCommunicationFailure;
  }
}

constexpr int kAttempts = 5;
// Phones that are between two steps; more than may be connected.
constexpr size_t kMaxKept = 50000;

const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

bool WasFaster(const absl::Status& status) {
  return ReasonOf(status) == "ETAG_MISMATCH";
}

// Runs `body`, which reads what it changes, again while somebody else (an
// operator, another replica) was faster.
absl::Status Retried(const std::function<absl::Status()>& body) {
  absl::Status result = body();
  for (int i = 1; i < kAttempts && WasFaster(result); ++i) result = body();
  return result;
}

// The same in steps.
template <typename Answer>
LedgerStep Retried(std::function<LedgerStep(Then<Answer>)> body,
                   Then<Answer> then, int attempts = kAttempts) {
  return body([body, then, attempts](Answer answer) -> LedgerStep {
    if (attempts > 1 && WasFaster(StatusOf(answer))) {
      return Retried<Answer>(body, then, attempts - 1);
    }
    return then(std::move(answer));
  });
}

}  // namespace

absl::StatusOr<Enrollment> RegistrationAuthority::Read(
    const std::string& name) {
  SP_ASSIGN_OR_RETURN(std::optional<Enrollment> enrollment,
                      ledger_.store().GetEnrollment(name));
  if (!enrollment.has_value()) {
    return MakeError(absl::StatusCode::kNotFound, "ENROLLMENT_NOT_FOUND",
                     "the enrollment is gone");
  }
  return *std::move(enrollment);
}

void RegistrationAuthority::Keep(Standing standing) {
  ++standing.enrollment.version;  // as the store did
  std::string name = standing.enrollment.name;
  absl::MutexLock lock(&mutex_);
  // Phones that went away between two steps.
  if (kept_.size() >= kMaxKept) kept_.clear();
  kept_.insert_or_assign(std::move(name), std::move(standing));
}

std::optional<RegistrationAuthority::Standing> RegistrationAuthority::TakeKept(
    const std::string& name) {
  absl::MutexLock lock(&mutex_);
  const auto it = kept_.find(name);
  if (it == kept_.end()) return std::nullopt;
  std::optional<Standing> standing = std::move(it->second);
  kept_.erase(it);
  return standing;
}

template <typename Answer>
LedgerStep RegistrationAuthority::WithStanding(const std::string& name,
                                               OnStanding<Answer> body,
                                               Then<Answer> then) {
  const auto afresh = [this, name, body](Then<Answer> answer) -> LedgerStep {
    absl::StatusOr<Enrollment> enrollment = Read(name);
    if (!enrollment.ok()) return answer(enrollment.status());
    return body(std::make_shared<Standing>(
                    Standing{*std::move(enrollment), std::nullopt}),
                std::move(answer));
  };
  std::optional<Standing> kept = TakeKept(name);
  if (!kept.has_value()) {
    return Retried<Answer>(afresh, std::move(then));
  }
  return body(std::make_shared<Standing>(*std::move(kept)),
              [afresh, then](Answer answer) -> LedgerStep {
                const std::string reason = ReasonOf(StatusOf(answer));
                if (reason == "ETAG_MISMATCH" ||
                    reason == "OPERATION_NOT_PENDING" ||
                    reason == "KEY_NOT_AS_ASKED" || reason == "NOT_ISSUED") {
                  return Retried<Answer>(afresh, then);
                }
                return then(std::move(answer));
              });
}

Admission RegistrationAuthority::Admit(CapfMessage& claim) {
  Admission out;
  TakeSteps(ledger_, Admit(claim, Into(out)));
  return out;
}

LedgerStep RegistrationAuthority::Admit(CapfMessage& claim,
                                        Then<Admission> then) {
  return Retried<absl::StatusOr<Admission>>(
      [this, &claim](Then<absl::StatusOr<Admission>> judged) {
        return TryAdmit(claim, std::move(judged));
      },
      [&claim, then](absl::StatusOr<Admission> admission) {
        if (claim.authentication_string.has_value()) {
          Cleanse(*claim.authentication_string);
        }
        // A count that is not durable does not count, so nobody is let in.
        return then(admission.ok() ? *std::move(admission) : Admission());
      });
}

struct RegistrationAuthority::Judged {
  Admission admission;
  Enrollment enrollment;
  std::optional<StoreChange> change;
};

absl::StatusOr<RegistrationAuthority::Judged> RegistrationAuthority::JudgeClaim(
    const CapfMessage& claim) {
  const absl::Time now = ledger_.clock().Now();
  absl::StatusOr<std::optional<Enrollment>> found =
      ledger_.store().FindDevice(claim.device_name.value_or(""));
  Enrollment* enrollment =
      found.ok() && found->has_value() ? &**found : nullptr;
  const std::string_view string =
      claim.authentication_string.has_value()
          ? std::string_view(*claim.authentication_string)
          : std::string_view();
  Claim judged{.string_given = !string.empty(),
               .string_matches = strings_.Matches(
                   string, enrollment == nullptr ? StringVerifier()
                                                 : enrollment->verifier),
               .protocol_version = claim.protocol_version.value_or(2),
               .max_failed_attempts = options_.max_failed_attempts,
               .identity = {}};
  if (!found.ok()) return found.status();
  if (enrollment != nullptr && claim.certificate.has_value()) {
    SP_ASSIGN_OR_RETURN(judged.identity,
                        JudgeIdentity(claim, *enrollment, now));
  }

  const Enrollment before = enrollment == nullptr ? Enrollment() : *enrollment;
  Judged out;
  out.admission.verdict = Judge(enrollment, judged, now);
  if (enrollment == nullptr || *enrollment == before) return out;
  StoreChange& change = out.change.emplace();
  change.update_enrollments.push_back(*enrollment);
  change.audit.push_back(
      {out.admission.verdict == Verdict::kRefused ? "DEVICE_REFUSED"
                                                  : "DEVICE_ADMITTED",
       kActor, enrollment->name,
       absl::StrCat("status=\"", StatusName(enrollment->status),
                    "\" failed_attempts=", enrollment->failed_attempts,
                    " locked=", enrollment->locked ? 1 : 0)});
  out.admission.enrollment = enrollment->name;
  const std::optional<KeyChoice> key =
      ChooseKey(*enrollment, judged.protocol_version);
  if (key.has_value()) out.admission.key = *key;
  out.enrollment = std::move(*enrollment);
  return out;
}

LedgerStep RegistrationAuthority::TryAdmit(
    const CapfMessage& claim, Then<absl::StatusOr<Admission>> then) {
  absl::StatusOr<Judged> judged = JudgeClaim(claim);
  if (!judged.ok()) return then(judged.status());
  if (!judged->change.has_value()) return then(judged->admission);
  StoreChange change = *std::exchange(judged->change, std::nullopt);
  const auto kept = std::make_shared<Judged>(*std::move(judged));
  return Commit(std::move(change),
                [this, kept, then](const absl::Status& counted) {
                  if (!counted.ok()) return then(counted);
                  if (kept->admission.verdict == Verdict::kInstall) {
                    Keep({std::move(kept->enrollment), {}});
                  }
                  return then(std::move(kept->admission));
                });
}

absl::StatusOr<bool> RegistrationAuthority::IsGoodMic(const std::string& tenant,
                                                      const std::string& der,
                                                      absl::Time now) {
  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> trusted,
                      ledger_.store().ListTrusted());
  std::vector<std::string> roots;
  for (const TrustedCertificate& one : trusted) {
    // Our own authority makes no manufacturer's certificate.
    if (one.store == TrustStoreName(tenant, kCapfTrust) &&
        one.origin != "own") {
      roots.push_back(one.der);
    }
  }
  SP_ASSIGN_OR_RETURN(const auto verifier, PathVerifier::Create(roots));
  const absl::StatusOr<CertificateRef> leaf =
      ParseWholeCertificate(AsBytes(der));
  if (!leaf.ok()) return false;
  PathQuery query;
  query.leaf = *leaf;
  query.now = now;
  PathRules rules;
  rules.usage.client_auth = true;
  if (options_.allow_weak_keys) {
    rules.signatures = {.min_rsa_bits = 1024, .allow_sha1 = true};
  }
  return verifier->Verify(query, rules).status.ok();
}

absl::StatusOr<ProvenIdentity> RegistrationAuthority::JudgeIdentity(
    const CapfMessage& claim, const Enrollment& enrollment, absl::Time now) {
  ProvenIdentity out;
  out.is_mic = claim.certificate->type == CapfCertificateType::kMic;
  const FailureReason invalid =
      out.is_mic ? FailureReason::kInvalidMic : FailureReason::kInvalidLsc;
  const absl::StatusOr<ProvenCertificate> proven =
      VerifyProof(claim, enrollment.device_name, claim.session_id);
  const bool by_sha2 =
      claim.sha2_signed_data.has_value() ||
      (claim.sudi.has_value() && !claim.sudi->sha512_signature.empty());
  if (!proven.ok() || (options_.refuse_sha1 && !by_sha2)) {
    out.fault = FailureReason::kInvalidCredentials;
    return out;
  }
  out.der = proven->der;
  out.bound_to_session = proven->bound_to_session;
  std::string shown = proven->der;
  if (claim.sha1_signed_data.has_value()) {
    shown.append(AsText(ByteSpan(*claim.sha1_signed_data)));
  }
  if (claim.sha2_signed_data.has_value()) {
    shown.append(AsText(ByteSpan(claim.sha2_signed_data->bytes)));
  }
  out.proof_sha256 = HexEncode(Sha256(AsBytes(shown)));

  out.fault = invalid;
  const absl::StatusOr<CertificateInfo> info =
      ParseCertificate(AsBytes(proven->der));
  if (!info.ok() || info->common_names.size() != 1 ||
      !IsCertificateOf(info->common_names[0], enrollment.device_name,
                       claim.certificate->type) ||
      now < info->not_before || now > info->not_after || info->is_ca) {
    return out;
  }
  if (out.is_mic) {
    SP_ASSIGN_OR_RETURN(const bool good,
                        IsGoodMic(TenantOf(enrollment.name), proven->der, now));
    if (good) out.fault = FailureReason::kNone;
    return out;
  }
  SP_ASSIGN_OR_RETURN(const std::optional<CertificateRecord> record,
                      ledger_.store().GetCertificate(info->serial_hex));
  if (record.has_value() && record->der == proven->der &&
      record->state == CertificateState::kActive &&
      record->enrollment == enrollment.name &&
      record->serial == enrollment.lsc_serial) {
    out.fault = FailureReason::kNone;
  }
  return out;
}

absl::StatusOr<IssuedLsc> RegistrationAuthority::IssueLsc(
    const std::string& name, uint8_t protocol_version,
    const std::string& spki) {
  absl::StatusOr<IssuedLsc> out;
  TakeSteps(ledger_, IssueLsc(name, protocol_version, spki, Into(out)));
  return out;
}

LedgerStep RegistrationAuthority::IssueLsc(
    const std::string& name, uint8_t protocol_version, const std::string& spki,
    Then<absl::StatusOr<IssuedLsc>> then) {
  return WithStanding<absl::StatusOr<IssuedLsc>>(
      name,
      [this, protocol_version, spki](std::shared_ptr<Standing> standing,
                                     Then<absl::StatusOr<IssuedLsc>> issued) {
        return TryIssue(std::move(standing), protocol_version, spki,
                        std::move(issued));
      },
      [this, name, then](absl::StatusOr<IssuedLsc> issued) {
        if (!issued.ok()) {
          RecordFailure(name, "", ReasonFor(issued.status())).IgnoreError();
        }
        return then(std::move(issued));
      });
}

struct RegistrationAuthority::LscOrder {
  // Issued and never confirmed.
  std::optional<CertificateRecord> unconfirmed;
  // Nullopt: that one is delivered again.
  std::optional<IssueOrder> order;
  CertificateAuthority* authority = nullptr;
};

absl::StatusOr<RegistrationAuthority::LscOrder> RegistrationAuthority::OrderFor(
    Enrollment& enrollment, uint8_t protocol_version, const std::string& spki) {
  const absl::Time now = ledger_.clock().Now();
  // Key generation takes long: what held at the start may not hold now.
  if (enrollment.operation != Operation::kInstallUpgrade || enrollment.locked ||
      (enrollment.approval_required && !enrollment.approved) ||
      Expire(enrollment, now)) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "OPERATION_NOT_PENDING", "no operation is pending");
  }
  const KeyPolicy policy{.min_rsa_bits =
                             options_.allow_weak_keys ? 1024 : 2048};
  SP_ASSIGN_OR_RETURN(PublicKey key,
                      PublicKey::FromSpki(AsBytes(spki), policy));
  if (!KeyIsAsChosen(enrollment, protocol_version, key)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "KEY_NOT_AS_ASKED",
                     "the phone made another key than it was asked for");
  }

  LscOrder out;
  if (!enrollment.unconfirmed_serial.empty()) {
    SP_ASSIGN_OR_RETURN(out.unconfirmed, ledger_.store().GetCertificate(
                                             enrollment.unconfirmed_serial));
  }
  const std::string key_sha256 = HexEncode(AsBytes(key.sha256()));
  if (out.unconfirmed.has_value() &&
      out.unconfirmed->state == CertificateState::kPending &&
      out.unconfirmed->key_sha256 == key_sha256 &&
      out.unconfirmed->not_after > now) {
    // The same phone with the same key, after a lost connection.
    return out;
  }

  out.authority = &authority_;
  if (authorities_ != nullptr) {
    SP_ASSIGN_OR_RETURN(out.authority,
                        authorities_->For({.tenant = TenantOf(enrollment.name),
                                           .model = enrollment.model,
                                           // pki.md 2.7
                                           .rsa_only = protocol_version < 3,
                                           .named = enrollment.authority}));
  }
  SubjectName subject = out.authority->issuer().subject;
  subject.common_name = enrollment.device_name;
  out.order.emplace(
      IssueOrder{.tenant = TenantOf(enrollment.name),
                 .profile = ProfileId::kLsc,
                 .subject = std::move(subject),
                 .names = {},
                 .key = std::move(key),
                 .validity = enrollment.validity == absl::ZeroDuration()
                                 ? options_.lsc_validity
                                 : enrollment.validity,
                 .enrollment = enrollment.name,
                 .requester = kActor,
                 .request_key = {},
                 .request_sha256 = key_sha256});
  return out;
}

LedgerStep RegistrationAuthority::TryIssue(
    std::shared_ptr<Standing> standing, uint8_t protocol_version,
    const std::string& spki, Then<absl::StatusOr<IssuedLsc>> then) {
  absl::StatusOr<LscOrder> order =
      OrderFor(standing->enrollment, protocol_version, spki);
  if (!order.ok()) return then(order.status());
  std::optional<CertificateRecord> unconfirmed = std::move(order->unconfirmed);
  if (!order->order.has_value()) {
    StoreChange again;
    again.audit.push_back({"LSC_REDELIVERED", kActor, unconfirmed->Name(), ""});
    const IssuedLsc lsc{unconfirmed->serial, unconfirmed->der};
    return Commit(std::move(again), [lsc, then](const absl::Status& recorded) {
      return recorded.ok() ? then(lsc) : then(recorded);
    });
  }
  return order->authority->IssueInSteps(
      *std::move(order->order),
      [this, standing, unconfirmed](const CertificateRecord& issued,
                                    StoreChange& change) {
        const absl::Time now = ledger_.clock().Now();
        OnLscIssued(standing->enrollment, issued.serial, now);
        change.update_enrollments.push_back(standing->enrollment);
        if (unconfirmed.has_value() &&
            unconfirmed->state == CertificateState::kPending) {
          change.update_certificates.push_back(
              Revoke(*unconfirmed, RevocationReason::kSuperseded, now));
          change.audit.push_back({"REVOKED", kActor, unconfirmed->Name(),
                                  "reason=superseded unconfirmed"});
        }
      },
      [this, standing, then](absl::StatusOr<CertificateRecord> record) {
        if (!record.ok()) return then(record.status());
        IssuedLsc issued{record->serial, record->der};
        Keep({std::move(standing->enrollment), *std::move(record)});
        return then(std::move(issued));
      });
}

absl::Status RegistrationAuthority::RecordStored(const std::string& name,
                                                 const std::string& serial) {
  absl::Status out;
  TakeSteps(ledger_, RecordStored(name, serial, Into(out)));
  return out;
}

LedgerStep RegistrationAuthority::RecordStored(const std::string& name,
                                               const std::string& serial,
                                               Then<absl::Status> then) {
  return WithStanding<absl::Status>(
      name,
      [this, serial](std::shared_ptr<Standing> standing,
                     Then<absl::Status> recorded) {
        absl::StatusOr<std::optional<StoreChange>> change =
            StoredChange(*standing, serial);
        if (!change.ok()) return recorded(change.status());
        if (!change->has_value()) return recorded(absl::OkStatus());
        return Commit(**std::move(change), recorded);
      },
      std::move(then));
}

absl::StatusOr<std::optional<StoreChange>> RegistrationAuthority::StoredChange(
    Standing& standing, const std::string& serial) {
  const absl::Time now = ledger_.clock().Now();
  Enrollment& enrollment = standing.enrollment;
  if (enrollment.lsc_serial == serial) return std::nullopt;
  std::optional<CertificateRecord>& record = standing.issued;
  if (!record.has_value() || record->serial != serial) {
    SP_ASSIGN_OR_RETURN(record, ledger_.store().GetCertificate(serial));
  }
  if (!record.has_value() || enrollment.unconfirmed_serial != serial) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_ISSUED",
                     "this certificate waits for no confirmation");
  }
  StoreChange change;
  const std::string replaced = OnLscStored(enrollment, record->not_after, now);
  change.update_enrollments.push_back(enrollment);
  const CertificateState before = record->state;
  record->state = CertificateState::kActive;
  change.audit.push_back({"LSC_STORED", kActor, record->Name(),
                          absl::StrCat("enrollment=", enrollment.name)});
  change.update_certificates.push_back({*std::move(record), before});
  if (!replaced.empty()) {
    SP_ASSIGN_OR_RETURN(std::optional<CertificateRecord> old,
                        ledger_.store().GetCertificate(replaced));
    if (old.has_value() && old->state == CertificateState::kActive) {
      old->state = CertificateState::kSuperseded;
      change.update_certificates.push_back(
          {*std::move(old), CertificateState::kActive});
    }
  }
  return change;
}

absl::Status RegistrationAuthority::RecordDeleted(const std::string& name) {
  return Retried([&] { return TryRecordDeleted(name); });
}

absl::Status RegistrationAuthority::TryRecordDeleted(const std::string& name) {
  const absl::Time now = ledger_.clock().Now();
  SP_ASSIGN_OR_RETURN(Enrollment enrollment, Read(name));
  if (enrollment.operation != Operation::kDelete) return absl::OkStatus();
  StoreChange change;
  const std::string serial = OnLscDeleted(enrollment, now);
  change.update_enrollments.push_back(enrollment);
  change.audit.push_back({"LSC_DELETED", kActor, enrollment.name,
                          absl::StrCat("serial=", serial)});
  if (!serial.empty()) {
    SP_ASSIGN_OR_RETURN(std::optional<CertificateRecord> record,
                        ledger_.store().GetCertificate(serial));
    if (record.has_value() && record->state == CertificateState::kActive) {
      change.update_certificates.push_back(Revoke(
          *std::move(record), RevocationReason::kCessationOfOperation, now));
    }
  }
  return ledger_.Apply(change);
}

absl::Status RegistrationAuthority::RecordFetched(const std::string& name,
                                                  const std::string& lsc_der,
                                                  const std::string& mic_der) {
  const absl::Time now = ledger_.clock().Now();
  SP_ASSIGN_OR_RETURN(Enrollment enrollment, Read(name));
  if (enrollment.operation != Operation::kTroubleshoot) return absl::OkStatus();
  const auto describe = [](const std::string& der) {
    return der.empty() ? std::string("none") : HexEncode(Sha256(AsBytes(der)));
  };
  SP_ASSIGN_OR_RETURN(
      std::optional<CertificateRecord> unconfirmed,
      ledger_.store().GetCertificate(enrollment.unconfirmed_serial));
  const bool holds_unconfirmed =
      unconfirmed.has_value() &&
      unconfirmed->state == CertificateState::kPending && !lsc_der.empty() &&
      unconfirmed->der == lsc_der;
  StoreChange change;
  // Only what somebody vouches for is kept as the phone's own.
  SP_ASSIGN_OR_RETURN(const bool good_mic,
                      mic_der.empty()
                          ? absl::StatusOr<bool>(false)
                          : IsGoodMic(TenantOf(name), mic_der, now));
  std::string replaced;
  if (OnCertificatesFetched(enrollment, holds_unconfirmed, !lsc_der.empty(),
                            good_mic ? mic_der : std::string(), now)) {
    const OperationStatus status = enrollment.status;
    replaced = OnLscStored(enrollment, unconfirmed->not_after, now);
    enrollment.status = status;
    unconfirmed->state = CertificateState::kActive;
    change.audit.push_back({"LSC_STORED", kActor, unconfirmed->Name(),
                            "found on the phone by Troubleshoot"});
    change.update_certificates.push_back(
        {*std::move(unconfirmed), CertificateState::kPending});
  }
  if (!replaced.empty()) {
    SP_ASSIGN_OR_RETURN(std::optional<CertificateRecord> old,
                        ledger_.store().GetCertificate(replaced));
    if (old.has_value() && old->state == CertificateState::kActive) {
      old->state = CertificateState::kSuperseded;
      change.update_certificates.push_back(
          {*std::move(old), CertificateState::kActive});
    }
  }
  change.update_enrollments.push_back(enrollment);
  change.audit.push_back({"TROUBLESHOOT", kActor, enrollment.name,
                          absl::StrCat("lsc_sha256=", describe(lsc_der),
                                       " mic_sha256=", describe(mic_der),
                                       " mic_trusted=", good_mic ? 1 : 0)});
  return ledger_.Apply(change);
}

absl::Status RegistrationAuthority::RecordFailure(const std::string& name,
                                                  const std::string& serial,
                                                  FailureReason reason) {
  return Retried([&] { return TryRecordFailure(name, serial, reason); });
}

absl::Status RegistrationAuthority::TryRecordFailure(const std::string& name,
                                                     const std::string& serial,
                                                     FailureReason reason) {
  const absl::Time now = ledger_.clock().Now();
  TakeKept(name);
  SP_ASSIGN_OR_RETURN(Enrollment enrollment, Read(name));
  StoreChange change;
  OnOperationFailed(enrollment, reason, now);
  if (!serial.empty() && enrollment.unconfirmed_serial == serial) {
    enrollment.unconfirmed_serial.clear();
    SP_ASSIGN_OR_RETURN(std::optional<CertificateRecord> record,
                        ledger_.store().GetCertificate(serial));
    if (record.has_value() && record->state == CertificateState::kPending) {
      change.audit.push_back(
          {"REVOKED", kActor, record->Name(), "reason=refused by the phone"});
      change.update_certificates.push_back(Revoke(
          *std::move(record), RevocationReason::kCessationOfOperation, now));
    }
  }
  change.update_enrollments.push_back(enrollment);
  change.audit.push_back(
      {"OPERATION_FAILED", kActor, enrollment.name,
       absl::StrCat("status=\"", StatusName(enrollment.status), "\"")});
  return ledger_.Apply(change);
}

}  // namespace sallyport::capf
