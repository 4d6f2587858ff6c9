#include "services/media_relay/io/prompt_directory.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/files/durable_file.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/core/prompt_audio.h"
#include "services/media_relay/core/prompt_file.h"
#include "services/media_relay/core/prompt_set.h"

namespace sallyport::media_relay {
namespace {

namespace fs = std::filesystem;

struct Found {
  std::string tenant;  // empty: all
  fs::path path;
};

absl::Status CannotRead(const std::string& path, const std::error_code& error) {
  return absl::UnavailableError(
      absl::StrCat(path, " cannot be read: ", error.message()));
}

// In order of their names, so that every reading gives the same.
absl::Status List(const fs::path& folder, const std::string& tenant,
                  std::vector<Found>& found) {
  std::error_code error;
  fs::directory_iterator it(folder, error);
  if (error) return CannotRead(folder.string(), error);
  std::vector<fs::path> entries;
  for (; it != fs::directory_iterator(); it.increment(error)) {
    if (error) return CannotRead(folder.string(), error);
    const fs::path& path = it->path();
    // Mounted configuration comes as links into a folder named so.
    if (path.filename().string().front() == '.') continue;
    entries.push_back(path);
  }
  std::sort(entries.begin(), entries.end());
  for (const fs::path& path : entries) {
    if (!fs::is_directory(path, error)) {
      found.push_back({tenant, path});
    } else if (tenant.empty()) {
      SP_RETURN_IF_ERROR(List(path, path.filename().string(), found));
    }
  }
  return absl::OkStatus();
}

absl::Status AddFile(const Found& file, size_t max_bytes, PromptSet& prompts) {
  const std::string path = file.path.string();
  const std::string name = file.path.stem().string();
  const std::string extension = file.path.extension().string();
  const std::optional<PromptFileKind> kind = PromptFileKindOf(
      std::string_view(extension).substr(extension.empty() ? 0 : 1));
  if (!kind.has_value() || !IsPromptName(name)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "PROMPT_NAME_INVALID",
                     absl::StrCat(path,
                                  ": is not [a-z0-9_-].wav, .au, .pcmu, "
                                  ".pcma or .g722"));
  }
  const auto contents = ReadWholeFile(path, max_bytes);
  if (absl::IsResourceExhausted(contents.status())) {
    return MakeError(absl::StatusCode::kResourceExhausted, "PROMPTS_TOO_LARGE",
                     absl::StrCat(path, ": is larger than all may be"));
  }
  SP_RETURN_IF_ERROR(contents.status());
  const auto audio = ParsePromptFile(*kind, AsBytes(*contents));
  if (!audio.ok()) {
    return MakeError(
        absl::StatusCode::kInvalidArgument, "PROMPT_FILE_INVALID",
        absl::StrCat(path, ": ", std::string(audio.status().message())));
  }
  prompts.Add(file.tenant, name, *audio);
  if (prompts.octets() > max_bytes) {
    return MakeError(absl::StatusCode::kResourceExhausted, "PROMPTS_TOO_LARGE",
                     absl::StrCat("all prompts together have more than ",
                                  max_bytes, " bytes at ", path));
  }
  return absl::OkStatus();
}

// Another one when anything has changed.
std::string SignatureOf(const std::string& folder) {
  std::vector<Found> found;
  if (!List(folder, "", found).ok()) return "";
  std::string signature;
  for (const Found& file : found) {
    std::error_code error;
    const auto size = fs::file_size(file.path, error);
    const auto time = fs::last_write_time(file.path, error);
    absl::StrAppend(&signature, file.path.string(), " ", size, " ",
                    time.time_since_epoch().count(), "\n");
  }
  return signature;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PromptSet>> LoadPrompts(
    const std::string& folder, size_t max_bytes) {
  std::vector<Found> found;
  SP_RETURN_IF_ERROR(List(folder, "", found));
  auto prompts = std::make_shared<PromptSet>();
  for (const Found& file : found) {
    SP_RETURN_IF_ERROR(AddFile(file, max_bytes, *prompts));
  }
  return std::shared_ptr<const PromptSet>(std::move(prompts));
}

absl::StatusOr<std::unique_ptr<PromptDirectory>> PromptDirectory::Create(
    const std::string& folder, size_t max_bytes, absl::Duration refresh) {
  std::unique_ptr<PromptDirectory> directory(
      new PromptDirectory(folder, max_bytes, refresh));
  directory->seen_ = SignatureOf(folder);
  SP_ASSIGN_OR_RETURN(directory->first_, LoadPrompts(folder, max_bytes));
  return directory;
}

PromptDirectory::~PromptDirectory() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void PromptDirectory::Watch(Changed changed) {
  thread_ = std::thread([this, changed = std::move(changed)] { Run(changed); });
}

void PromptDirectory::Run(const Changed& changed) {
  for (;;) {
    {
      const absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), refresh_)) {
        return;
      }
    }
    std::string signature = SignatureOf(folder_);
    if (signature == seen_) continue;
    seen_ = std::move(signature);
    auto prompts = LoadPrompts(folder_, max_bytes_);
    if (!prompts.ok()) {
      LogWarning("the changed prompts cannot be used",
                 {{"error", prompts.status()}});
      continue;
    }
    LogInfo("changed prompts are in force",
            {{"prompts", (*prompts)->size()}, {"bytes", (*prompts)->octets()}});
    changed(*std::move(prompts));
  }
}

}  // namespace sallyport::media_relay
