// observer.h: what train() reports while it runs, on every rank, and what it asks.
#pragma once

struct TrainingObserver {
    virtual ~TrainingObserver() = default;
    /// on_step() is called after every so many steps of an epoch; 0: never.
    virtual int steps_between_reports() const { return 0; }
    /// epoch: from 0; step: from 1, of `steps` in the epoch. loss: the mean over the samples since
    /// the last call in this epoch, each before its update, plus the penalty before this step.
    virtual void on_step(int epoch, int step, int steps, double loss) = 0;
    /// loss: the same over the whole epoch. If there are several replicas, their parameters have
    /// been compared.
    virtual void on_epoch(int epoch, double loss) = 0;
    /// True if stops() must be called after every step. Whole epochs in one submission, which are
    /// faster, are then not possible.
    virtual bool may_stop() const { return false; }
    /// Asked before every epoch. Return true, on every rank, to end the training there.
    virtual bool is_done() { return false; }
    /// Called after every step; after an epoch's last one behind on_epoch(). Return true, on every
    /// rank, to end the training there.
    virtual bool stops() { return false; }
};
