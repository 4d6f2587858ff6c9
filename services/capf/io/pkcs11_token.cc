#include "services/capf/io/pkcs11_token.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr absl::Duration kRetryPause = absl::Milliseconds(100);
constexpr CK_ULONG kMaxSlots = 256;

std::string Hex(CK_RV rv) {
  return absl::StrCat("CKR ", absl::Hex(rv, absl::kZeroPad8));
}

absl::Status Gone(std::string_view doing, CK_RV rv) {
  return MakeError(
      absl::StatusCode::kUnavailable, "SIGNER_UNAVAILABLE",
      absl::StrCat("the token did not ", AbslView(doing), " (", Hex(rv), ")"));
}

absl::Status ModuleFault(std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "PKCS11_MODULE",
                   message);
}

// Labels are 32 octets, padded with blanks (PKCS #11 section 3.2).
std::string_view Unpadded(const CK_UTF8CHAR* label, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(label), size);
  const size_t end = text.find_last_not_of(' ');
  return text.substr(0, end == std::string_view::npos ? 0 : end + 1);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Pkcs11Token>> Pkcs11Token::Open(
    Pkcs11Options options, const Clock& clock) {
  std::unique_ptr<Pkcs11Token> token(
      new Pkcs11Token(std::move(options), clock));
  SP_RETURN_IF_ERROR(token->Load());
  SP_RETURN_IF_ERROR(token->Begin(0));
  return token;
}

Pkcs11Token::~Pkcs11Token() {
  {
    absl::MutexLock lock(&use_mutex_);
    if (initialized_) p11_->C_Finalize(nullptr);
  }
  // The library stays loaded: modules leave threads and handlers behind.
}

absl::Status Pkcs11Token::Load() {
  library_ = dlopen(options_.module_file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) {
    const char* const why = dlerror();
    return ModuleFault(absl::StrCat("the module cannot be loaded: ",
                                    why == nullptr ? "" : why));
  }
  const auto list = reinterpret_cast<CK_C_GetFunctionList>(
      dlsym(library_, "C_GetFunctionList"));
  if (list == nullptr || list(&p11_) != CKR_OK || p11_ == nullptr ||
      p11_->version.major != 2) {
    return ModuleFault("the module does not speak PKCS #11 version 2");
  }
  return absl::OkStatus();
}

absl::Status Pkcs11Token::Begin(int64_t seen) {
  absl::MutexLock lock(&use_mutex_);
  if (usable_ && generation_ != seen) return absl::OkStatus();
  const MonoTime now = clock_.MonoNow();
  if (pin_refused_ || now < retry_at_) return last_failure_;
  usable_ = false;
  {
    absl::MutexLock pool(&pool_mutex_);
    idle_.clear();
  }
  const absl::Status status = LogIn();
  if (status.ok()) {
    usable_ = true;
    ++generation_;
  } else {
    last_failure_ = status;
    retry_at_ = clock_.MonoNow() + kRetryPause;
  }
  return status;
}

absl::Status Pkcs11Token::LogIn() {
  if (initialized_) p11_->C_Finalize(nullptr);
  initialized_ = false;
  CK_C_INITIALIZE_ARGS args;
  std::memset(&args, 0, sizeof(args));
  args.flags = CKF_OS_LOCKING_OK;
  CK_RV rv = p11_->C_Initialize(&args);
  if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    return Gone("start", rv);
  }
  initialized_ = true;

  CK_SLOT_ID slots[kMaxSlots];
  CK_ULONG count = kMaxSlots;
  rv = p11_->C_GetSlotList(CK_TRUE, slots, &count);
  if (rv != CKR_OK) return Gone("list its slots", rv);
  bool found = false;
  for (CK_ULONG i = 0; i < count && !found; ++i) {
    CK_TOKEN_INFO info;
    if (p11_->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
    found = Unpadded(info.label, sizeof(info.label)) ==
            std::string_view(options_.token_label);
    if (found) slot_ = slots[i];
  }
  if (!found) {
    return MakeError(absl::StatusCode::kUnavailable, "SIGNER_UNAVAILABLE",
                     "there is no token of that label");
  }
  rv = p11_->C_OpenSession(slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                           nullptr, &login_session_);
  if (rv != CKR_OK) return Gone("open a session", rv);
  const std::string_view pin = options_.pin.DangerousText();
  rv = p11_->C_Login(
      login_session_, CKU_USER,
      reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(pin.data())),
      pin.size());
  if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED ||
      rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE) {
    pin_refused_ = true;
    return MakeError(absl::StatusCode::kFailedPrecondition, "PKCS11_PIN",
                     "the token refuses the PIN");
  }
  if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN) {
    return Gone("take the PIN", rv);
  }
  return absl::OkStatus();
}

unsigned long Pkcs11Token::Take(Session* session) {
  {
    absl::MutexLock pool(&pool_mutex_);
    if (!idle_.empty()) {
      *session = idle_.back();
      idle_.pop_back();
      return CKR_OK;
    }
  }
  return p11_->C_OpenSession(slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                             nullptr, nullptr, session);
}

unsigned long Pkcs11Token::TryRun(const Body& body, int64_t* generation) {
  {
    const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(pool_mutex_) {
      return free_ > 0;
    };
    absl::MutexLock pool(&pool_mutex_, absl::Condition(&ready));
    --free_;
  }
  const unsigned long rv = RunIn(body, generation);
  absl::MutexLock pool(&pool_mutex_);
  ++free_;
  return rv;
}

unsigned long Pkcs11Token::RunIn(const Body& body, int64_t* generation) {
  absl::ReaderMutexLock lock(&use_mutex_);
  *generation = generation_;
  if (!usable_) return CKR_DEVICE_REMOVED;
  Session session = 0;
  CK_RV rv = Take(&session);
  if (rv != CKR_OK) return rv;
  rv = body(*p11_, session, generation_);
  if (rv == CKR_OK) {
    absl::MutexLock pool(&pool_mutex_);
    idle_.push_back(session);
  } else {
    // It may be in the middle of an operation.
    p11_->C_CloseSession(session);
  }
  return rv;
}

absl::Status Pkcs11Token::Run(std::string_view doing, const Body& body) {
  int64_t generation = 0;
  CK_RV rv = TryRun(body, &generation);
  if (rv == CKR_OK) return absl::OkStatus();
  SP_RETURN_IF_ERROR(Begin(generation));
  rv = TryRun(body, &generation);
  return rv == CKR_OK ? absl::OkStatus() : Gone(doing, rv);
}

}  // namespace sallyport::capf
