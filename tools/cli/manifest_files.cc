#include "tools/cli/manifest_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::cli {
namespace {

namespace fs = std::filesystem;

absl::Status Unreadable(const std::string& path) {
  return MakeError(absl::StatusCode::kNotFound, "FILE_UNREADABLE",
                   absl::StrCat("cannot read ", path));
}

// The files that `path` stands for.
absl::StatusOr<std::vector<std::string>> FilesAt(const std::string& path) {
  std::error_code error;
  if (path == "-" || !fs::is_directory(path, error)) {
    return std::vector<std::string>{path};
  }
  std::vector<std::string> files;
  fs::recursive_directory_iterator it(path, error);
  for (; !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    const std::string name = it->path().string();
    const bool is_manifest = absl::EndsWith(name, ".yaml") ||
                             absl::EndsWith(name, ".yml") ||
                             absl::EndsWith(name, ".json");
    if (is_manifest && it->is_regular_file(error)) files.push_back(name);
  }
  if (error) return Unreadable(path);
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

absl::StatusOr<std::string> ReadInput(const std::string& path,
                                      std::istream& in) {
  if (path == "-") return std::string(std::istreambuf_iterator<char>(in), {});
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.good() && !file.eof()) return Unreadable(path);
  return text;
}

absl::StatusOr<std::vector<ManifestEntry>> ReadManifests(
    const std::vector<std::string>& paths, const std::string& tenant,
    std::istream& in) {
  std::vector<ManifestEntry> entries;
  std::vector<FieldViolation> faults;
  for (const std::string& path : paths) {
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesAt(path));
    for (const std::string& file : files) {
      SP_ASSIGN_OR_RETURN(const std::string text, ReadInput(file, in));
      auto some = ParseManifest(text, tenant, file == "-" ? "stdin" : file);
      if (some.ok()) {
        std::move(some->begin(), some->end(), std::back_inserter(entries));
        continue;
      }
      for (FieldViolation& fault : FieldViolationsOf(some.status())) {
        faults.push_back(std::move(fault));
      }
    }
  }
  if (faults.empty()) AddRepeatedNames(entries, &faults);
  SP_RETURN_IF_ERROR(ManifestFaults(std::move(faults)));
  return entries;
}

}  // namespace sallyport::cli
