// records.h: the answers of a submission, as the driver writes them and the judge reads them.
//
// A file holds records: a line "NONCE NAME COUNT", then COUNT numbers of 8 bytes. A submission can
// write into it what it likes. So the reader trusts no count and takes only records with the run's
// nonce; what the numbers are worth is the judge's to find.
#pragma once
#include <fstream>
#include <map>
#include <string>
#include <vector>

class RecordWriter {
  public:
    RecordWriter(const std::string& path, std::string nonce)
        : file_(path, std::ios::binary), nonce_(std::move(nonce)) {}

    /// Numbers of any type that a double holds exactly. They are in the file when it returns.
    template <class Numbers>
    void add(const std::string& name, const Numbers& numbers) {
        const std::vector<double> values(numbers.begin(), numbers.end());
        file_ << nonce_ << ' ' << name << ' ' << values.size() << '\n';
        file_.write(reinterpret_cast<const char*>(values.data()),
                    static_cast<std::streamsize>(values.size() * sizeof(double)));
        file_.flush();
    }

  private:
    std::ofstream file_;
    std::string nonce_;
};

using Records = std::map<std::string, std::vector<double>>;

/// The records up to the first that is broken. A file that is not there has none.
Records read_records(const std::string& path, const std::string& nonce);
