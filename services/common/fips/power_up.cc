#include "services/common/fips/power_up.h"

#include <openssl/sha.h>
#include <signal.h>

#include <charconv>
#include <cstdint>
#include <fstream>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/files/durable_file.h"
#include "services/common/fips/fips_self_test.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

constexpr char kProgram[] = "/proc/self/exe";
constexpr size_t kMaxFile = 4096;
constexpr size_t kPiece = 1 << 16;

}  // namespace

absl::StatusOr<int> FailedStarts::Read() const {
  const absl::StatusOr<std::string> text = ReadWholeFile(file_, kMaxFile);
  if (absl::IsNotFound(text.status())) return 0;
  SP_RETURN_IF_ERROR(text.status());
  int count = 0;
  std::from_chars(text->data(), text->data() + text->size(), count);
  return count;
}

absl::StatusOr<int> FailedStarts::Add() {
  SP_ASSIGN_OR_RETURN(const int count, Read());
  SP_RETURN_IF_ERROR(WriteDurableFile(file_, absl::StrCat(count + 1)));
  return count + 1;
}

absl::Status FailedStarts::Clear() {
  SP_ASSIGN_OR_RETURN(const int count, Read());
  return count == 0 ? absl::OkStatus() : WriteDurableFile(file_, "0");
}

absl::StatusOr<std::string> ProgramSha256() {
  std::ifstream in(kProgram, std::ios::binary);
  std::vector<char> piece(kPiece);
  SHA256_CTX digest;
  SHA256_Init(&digest);
  size_t read = 0;
  while (in) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    SHA256_Update(&digest, piece.data(), static_cast<size_t>(in.gcount()));
    read += static_cast<size_t>(in.gcount());
  }
  uint8_t out[SHA256_DIGEST_LENGTH];
  SHA256_Final(out, &digest);
  if (read == 0) {
    return MakeError(absl::StatusCode::kUnavailable, "FIPS_INTEGRITY",
                     "the program cannot be read");
  }
  return HexEncode(ByteSpan(out, sizeof out));
}

absl::Status CheckIntegrity(const std::string& integrity_file) {
  if (integrity_file.empty()) return absl::OkStatus();
  // A file that is not there names no program either.
  const std::string text =
      ReadWholeFile(integrity_file, kMaxFile).value_or(std::string());
  SP_ASSIGN_OR_RETURN(const std::string sha256, ProgramSha256());
  if (absl::AsciiStrToLower(text.substr(0, text.find_first_of(" \n"))) ==
      sha256) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, "FIPS_INTEGRITY",
                   "the program is not the one of its integrity file");
}

absl::Status RunPowerUpTests(const PowerUpOptions& options) {
  FailedStarts failed_starts(options.failed_starts_file);
  absl::Status status;
  if (const std::string failed = FailedTests(RunSelfTests(options.broken));
      !failed.empty()) {
    status = MakeError(absl::StatusCode::kFailedPrecondition,
                       "FIPS_SELF_TEST_FAILED",
                       absl::StrCat("self tests failed: ", failed));
  } else {
    status = CheckIntegrity(options.integrity_file);
  }
  if (status.ok()) return failed_starts.Clear();
  SP_ASSIGN_OR_RETURN(const int count, failed_starts.Add());
  LogError("FIPS mode: the service halts",
           {{"status", status}, {"failed_starts", count}});
  if (count < kMaxFailedStarts) return status;
  LogError(
      "FIPS mode: this is no transient fault; deploy a verified image "
      "again. The service stays halted until it is ended",
      {{"failed_starts", count}});
  if (options.on_halt) options.on_halt(std::string(status.message()));
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int signal = 0;
  sigwait(&signals, &signal);
  return status;
}

}  // namespace sallyport
